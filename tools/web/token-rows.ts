/**
 * The token rows that the page trains a generator on: two sets of emoji through emoji-32. Run it again when that model changes.
 *
 *   npm run web:tokens        writes web/assets/emoji-rows.safetensors, some 110 kB
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { noGrad, openDevice, setDefaultDevice, tensorScope } from '../../core/index.ts';
import { batchOf, crc32, type ImageSet, loadEmoji, serializeSafetensors } from '../../data/index.ts';
import { loadModel } from '../../train/index.ts';
import { packRow } from '../../web/link.ts';
import { runTool } from '../command.ts';

/** Flat drawings of one kind, so that a short training sees many alike. */
const sets = ['twemoji/', 'fluent-emoji-flat/'];
const mostHeldOut = 128; // rows, for the held-out curve
const model = new URL('../../models/emoji-32.safetensors', import.meta.url);
const out = new URL('../../web/assets/emoji-rows.safetensors', import.meta.url);

async function write(): Promise<void> {
  setDefaultDevice(await openDevice('cpu', { matmulPrecision: 'high' }));
  const bytes = readFileSync(model);
  const { tokenizer } = await loadModel('emoji-32');
  const { imageSize, latentTokens, codebookSize } = tokenizer.config;
  const { train, validation } = await loadEmoji(imageSize, undefined, 'subgroups');

  async function rowsOf(set: ImageSet, most = Infinity) {
    const chosen = [...set.names.keys()].filter((i) => sets.some((name) => set.names[i].startsWith(name)));
    const step = Math.max(1, Math.floor(chosen.length / most));
    const indices = chosen.filter((_, i) => i % step === 0).slice(0, most); // spread over all kinds
    const packed: Uint8Array[] = [];
    for (let start = 0; start < indices.length; start += 32) {
      using _ = tensorScope();
      const views = indices.slice(start, start + 32).map((index) => ({ index, mirrored: false }));
      const ids = await noGrad(() => tokenizer.encode(batchOf(set, views).images).indices).data();
      for (let n = 0; n < views.length; n++)
        packed.push(packRow(ids.subarray(n * latentTokens, (n + 1) * latentTokens), codebookSize));
    }
    return {
      rows: { shape: [packed.length, packed[0].length], data: Uint8Array.from(packed.flatMap((row) => [...row])) },
      labels: { shape: [indices.length], data: Uint8Array.from(indices, (i) => set.labels[i]) },
    };
  }

  const [learned, heldOut] = [await rowsOf(train), await rowsOf(validation, mostHeldOut)];
  const file = serializeSafetensors(
    {
      train: learned.rows,
      trainLabels: learned.labels,
      heldOut: heldOut.rows,
      heldOutLabels: heldOut.labels,
    },
    { tokens: `${latentTokens}`, codes: `${codebookSize}`, crc32: crc32(bytes) },
  );
  mkdirSync(new URL('.', out), { recursive: true });
  writeFileSync(out, Buffer.concat(file));
  console.log(`${learned.labels.shape} rows to learn, ${heldOut.labels.shape} held out`);
}

await runTool(
  new Command('npm run web:tokens --')
    .description('Writes the token rows of the emoji that the page trains a generator on.')
    .allowExcessArguments(false)
    .action(write),
);
