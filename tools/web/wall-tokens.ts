/**
 * The emoji of the page's wall as tokens, for the map of all codes: encoding them on the page would take a minute.
 *
 *   npm run web:wall              writes web/assets/MODEL.tokens for each model in the box
 *
 * A file holds a row for each tile of the wall, in its order, packed as `packRow` of web/link.ts does it: 40 bytes for
 * 32 tokens of 10 bits.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import sharp from 'sharp';
import { openDevice, setDefaultDevice } from '../../core/index.ts';
import { loadModel, modelsInBox } from '../../train/index.ts';
import { describe, encode, type Pixels, use } from '../../web/engine/model.ts';
import { packRow } from '../../web/link.ts';
import { runTool } from '../command.ts';
import { assetFiles, emojiWall } from './assets.ts';

const atOnce = 32;

/**
 * Tiles of the wall as tokens of the engine's model.
 *
 * @param tiles  their places on the wall
 * @param size   of the model's pictures, pixels
 */
export async function encodeTiles(tiles: readonly number[], size: number): Promise<number[][]> {
  const { columns, tile } = await emojiWall();
  const sheet = await (await assetFiles()).get(`/emoji/twemoji-${tile}.webp`)!();
  const { data, info } = await sharp(sheet as Uint8Array)
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const rows: number[][] = [];
  for (let start = 0; start < tiles.length; start += atOnce) {
    const pictures = await Promise.all(
      tiles.slice(start, start + atOnce).map(async (i): Promise<Pixels> => {
        const left = (i % columns) * tile;
        const top = Math.floor(i / columns) * tile;
        const { width, height } = info;
        const picture = await sharp(data, { raw: { width, height, channels: 4 } })
          .extract({ left, top, width: tile, height: tile })
          .flatten({ background: '#fff' })
          .resize(size, size)
          .ensureAlpha()
          .raw()
          .toBuffer();
        return new Uint8ClampedArray(picture);
      }),
    );
    rows.push(...(await encode(pictures)));
  }
  return rows;
}

async function write(): Promise<void> {
  setDefaultDevice(await openDevice('cpu', { matmulPrecision: 'high' }));
  const { icons } = await emojiWall();
  for (const { name } of modelsInBox().models) {
    const model = await loadModel(name);
    use(model);
    const { size, codes } = describe(model);
    const rows = await encodeTiles([...icons.keys()], size);
    const bytes = Buffer.concat(rows.map((row) => packRow(row, codes)));
    await writeFile(new URL(`../../web/assets/${name}.tokens`, import.meta.url), bytes);
    console.log(`web/assets/${name}.tokens  ${bytes.length} bytes`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await runTool(
    new Command('npm run web:wall --')
      .description("Writes the tokens of the emoji on the page's wall, for each model in the box, to web/assets.")
      .allowExcessArguments(false)
      .action(write),
  );
