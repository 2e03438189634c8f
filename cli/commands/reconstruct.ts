/** `titok reconstruct IMAGE…`: pictures through their tokens and back. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { gridSize, imageGrid, type RgbImage, writeImage } from '../../data/index.ts';
import { expectLength } from '../../titok/index.ts';
import { count, group, reconstruct } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { addTokenizerOptions, openGivenTokenizer } from '../models.ts';
import { addSettings } from '../options.ts';
import { expectAllRead, outputOption, prepareOutput, readPictures } from '../pictures.ts';

const reconstructSettings = group({
  tokens: count(1, 'of each image to keep, the first ones; of a model of variable length', { most: 65_536 }),
});

export function addReconstruct(program: Command): void {
  const command = program
    .command('reconstruct')
    .description('Turns images into tokens and back, and writes both side by side.')
    .argument('<images...>', 'picture files: PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG')
    .addOption(outputOption('reconstructed.png'))
    .action(async (paths: string[], given) => {
      await openGivenDevice(given, 'highest');
      const { model, folder } = await openGivenTokenizer(given);
      const output = prepareOutput(given.output ?? join(folder, 'reconstructed.png'), '--output', paths);
      const { imageSize, latentTokens } = model.config;
      const { tokens = latentTokens } = given;
      expectLength('--tokens', tokens, model.config);
      const plan = planPairs(paths.length, imageSize);
      const pairs: RgbImage[] = [];
      const unread: string[] = [];
      for await (const files of readPictures(paths, imageSize, unread)) {
        const results = await reconstruct(
          model,
          files.map(({ picture }) => picture),
          { tokens },
        );
        for (const [i, { path }] of files.entries()) {
          const { input, output, psnr } = results[i];
          console.log(`${path}  ${psnr.toFixed(2)} dB`);
          if (pairs.length < 2 * plan.shown) pairs.push(input, output);
        }
      }
      if (pairs.length > 0) {
        const { columns, scale } = plan;
        const columnLabels = Array.from({ length: columns }, (_, i) =>
          i % 2 === 0 ? 'input' : `${tokens} ${tokens === 1 ? 'token' : 'tokens'}`,
        );
        await writeImage(output, await imageGrid(pairs, columns, { columnLabels, scale }));
        console.log(output);
      }
      if (plan.shown < paths.length)
        console.error(
          `${output} shows the first ${plan.shown} of ${paths.length} images: that is what fits into one file.`,
        );
      expectAllRead(unread);
    });
  addTokenizerOptions(
    addDeviceOptions(
      addSettings(command, reconstructSettings, () => 'default all'),
      'highest',
    ),
  );
}

/** One pair of input and output a row for a few images, a square of pairs for many, as many as fit into a file. */
function planPairs(count: number, size: number): { shown: number; columns: number; scale: number } {
  const usual = Math.ceil(96 / size);
  for (let shown = count; ; shown = Math.max(1, Math.floor(0.9 * shown))) {
    const columns = 2 * (shown <= 12 ? 1 : Math.ceil(Math.sqrt(shown / 2)));
    const columnLabels = new Array<string>(columns).fill('');
    for (let scale = usual; scale >= 1; scale--) {
      const { fits } = gridSize({ width: size, height: size }, 2 * shown, columns, { scale, columnLabels });
      if (fits || shown === 1) return { shown, columns, scale };
    }
  }
}
