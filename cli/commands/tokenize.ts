/** `titok tokenize IMAGE…`: the token ids of images, a line of JSON each. */
import type { Command } from 'commander';
import { decodeImage } from '../../data/index.ts';
import { tokenize } from '../../train/index.ts';
import { addModelOptions, openTokenizer } from '../tokenizer.ts';

export function addTokenize(program: Command): void {
  const command = program
    .command('tokenize')
    .description('Prints the token ids of images, one line of JSON each.')
    .argument('<images...>', 'PNG, JPEG or WebP files')
    .action(async (paths: string[], given) => {
      const { model } = await openTokenizer(given);
      const rows = await tokenize(model, await Promise.all(paths.map((path) => decodeImage(path))));
      for (const [i, image] of paths.entries()) console.log(JSON.stringify({ image, tokens: rows[i] }));
    });
  addModelOptions(command);
}
