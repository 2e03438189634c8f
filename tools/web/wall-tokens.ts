/**
 * The emoji of the page's wall as tokens, for the map of all codes. Run it again when a model in the box changes.
 *
 *   npm run web:wall        writes web/assets/MODEL.tokens for each model in the box, some 60 kB each
 *
 * A file holds a row for each tile of the wall, in its order, packed as `packRow` does.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { noGrad, openDevice, setDefaultDevice, tensorScope } from '../../core/index.ts';
import { batchOf, loadEmoji } from '../../data/index.ts';
import type { TiTok } from '../../titok/index.ts';
import { loadModel, modelsInBox } from '../../train/index.ts';
import { packRow } from '../../web/link.ts';
import { runTool } from '../command.ts';
import { emojiWall, wallSet } from './assets.ts';

/** Token ids of pictures on the wall, one row each. @param icons  their names: 'red-heart' */
export async function encodeIcons(tokenizer: TiTok, icons: readonly string[]): Promise<Int32Array[]> {
  const { imageSize, latentTokens } = tokenizer.config;
  const { train, validation } = await loadEmoji(imageSize);
  const rows: Int32Array[] = [];
  for (const icon of icons) {
    using _ = tensorScope();
    const name = `${wallSet}/${icon}`;
    const set = train.names.includes(name) ? train : validation;
    const { images } = batchOf(set, [{ index: set.names.indexOf(name), mirrored: false }]);
    rows.push(Int32Array.from(await noGrad(() => tokenizer.encode(images).indices).data()).subarray(0, latentTokens));
  }
  return rows;
}

async function write(): Promise<void> {
  setDefaultDevice(await openDevice('cpu', { matmulPrecision: 'high' }));
  const { icons } = await emojiWall();
  for (const { name } of modelsInBox().models) {
    const { tokenizer } = await loadModel(name);
    const rows = await encodeIcons(tokenizer, icons);
    const bytes = Buffer.concat(rows.map((row) => packRow(row, tokenizer.config.codebookSize)));
    writeFileSync(new URL(`../../web/assets/${name}.tokens`, import.meta.url), bytes);
    console.log(`web/assets/${name}.tokens  ${bytes.length} bytes`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await runTool(
    new Command('npm run web:wall --')
      .description("Writes the tokens of the emoji on the page's wall, for each model in the box.")
      .allowExcessArguments(false)
      .action(write),
  );
