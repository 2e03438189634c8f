/** `titok tokenize IMAGE…`: the token ids of images, a line of JSON each. */
import type { Command } from 'commander';
import { noGrad, tidy } from '../../core/index.ts';
import { addModelOptions, openImages, openTokenizer } from '../tokenizer.ts';

export function addTokenize(program: Command): void {
  const command = program
    .command('tokenize')
    .description('Prints the token ids of images, one line of JSON each.')
    .argument('<images...>', 'PNG, JPEG or WebP files')
    .action(async (paths: string[], given) => {
      const { model } = await openTokenizer(given);
      const images = await openImages(paths, model.config.imageSize);
      const ids = await noGrad(() => tidy(() => model.encode(images).indices)).data();
      const k = model.config.latentTokens;
      paths.forEach((image, i) => {
        console.log(JSON.stringify({ image, tokens: Array.from(ids.subarray(i * k, (i + 1) * k)) }));
      });
    });
  addModelOptions(command);
}
