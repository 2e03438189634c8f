/** `titok reconstruct IMAGE…`: pictures through their tokens and back. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { noGrad, tidy } from '../../core/index.ts';
import { imageGrid, writePng } from '../../data/index.ts';
import { psnr } from '../../eval/index.ts';
import { picturesOf } from '../../train/index.ts';
import { addModelOptions, openImages, openTokenizer } from '../tokenizer.ts';

export function addReconstruct(program: Command): void {
  const command = program
    .command('reconstruct')
    .description('Turns images into tokens and back, and writes both side by side.')
    .argument('<images...>', 'PNG, JPEG or WebP files')
    .option('--output <file>', 'PNG to write (default: reconstructed.png in the run)')
    .action(async (paths: string[], given) => {
      const { model, folder } = await openTokenizer(given);
      const images = await openImages(paths, model.config.imageSize);
      const y = noGrad(() => tidy(() => model.forward(images).output));
      const [inputs, outputs] = [await picturesOf(images), await picturesOf(y)];
      const output: string = given.output ?? join(folder, 'reconstructed.png');
      mkdirSync(dirname(output), { recursive: true });
      const columnLabels = ['input', `${model.config.latentTokens} tokens`];
      await writePng(
        output,
        imageGrid(
          inputs.flatMap((image, i) => [image, outputs[i]]),
          2,
          { columnLabels },
        ),
      );
      const [before, after] = [await images.data(), await y.data()];
      const each = before.length / paths.length;
      paths.forEach((path, i) => {
        const [from, to] = [i * each, (i + 1) * each];
        console.log(`${path}  ${psnr(before.subarray(from, to), after.subarray(from, to)).toFixed(2)} dB`);
      });
      console.log(output);
    });
  addModelOptions(command);
}
