/** `titok reconstruct IMAGE…`: pictures through their tokens and back. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { decodeImage, imageGrid, writePng } from '../../data/index.ts';
import { reconstruct } from '../../train/index.ts';
import { addModelOptions, openTokenizer } from '../tokenizer.ts';

export function addReconstruct(program: Command): void {
  const command = program
    .command('reconstruct')
    .description('Turns images into tokens and back, and writes both side by side.')
    .argument('<images...>', 'PNG, JPEG or WebP files')
    .option('--output <file>', 'PNG to write (default: reconstructed.png in the run)')
    .action(async (paths: string[], given) => {
      const { model, folder } = await openTokenizer(given);
      const results = await reconstruct(model, await Promise.all(paths.map((path) => decodeImage(path))));
      const output: string = given.output ?? join(folder, 'reconstructed.png');
      mkdirSync(dirname(output), { recursive: true });
      const pairs = results.flatMap(({ input, output }) => [input, output]);
      const columnLabels = ['input', `${model.config.latentTokens} tokens`];
      await writePng(output, await imageGrid(pairs, 2, { columnLabels }));
      for (const [i, path] of paths.entries()) console.log(`${path}  ${results[i].psnr.toFixed(2)} dB`);
      console.log(output);
    });
  addModelOptions(command);
}
