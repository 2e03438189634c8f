/** Generated pictures: in batches that fit into memory, on sheets that fit into a file, and with options that are checked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rng, type Tensor } from '../../core/index.ts';
import { gridSize, type RgbImage } from '../../data/index.ts';
import { createGenerator, laptopGenerators, samplingDefaults } from '../../maskgit/index.ts';
import { presets, TiTok } from '../../titok/index.ts';
import {
  drawSheet,
  generate,
  generator as generatorStage,
  imagesAtOnce,
  planSheet,
  type Run,
  type RunContext,
  reconstruct,
  type Sheet,
  type TrainedGenerator,
  tokenize,
} from '../../train/index.ts';

const half = { width: 8, layers: 1, heads: 1, patchSize: 16 };
const tokenizer = new TiTok(
  { ...presets.tiny, head: 'pixels', latentTokens: 2, codebookSize: 8, encoder: half, decoder: half },
  new Rng(1),
);
const classes = Array.from({ length: 300 }, (_, i) => `class ${i}`);
const trained: TrainedGenerator = {
  generator: createGenerator(
    {
      ...laptopGenerators.smoke,
      classes: 300,
      latentTokens: 2,
      codebookSize: 8,
      width: 8,
      layers: 1,
      heads: 1,
      mlpWidth: 8,
    },
    new Rng(2),
  ),
  classes,
  sampling: { ...samplingDefaults, steps: 2 },
};
/** The part of a run that sampling needs. */
const run = {
  seed: 0,
  has: () => true,
  model: () => trained,
  pixelTokenizer: () => tokenizer,
  expectMadeWith: async () => {},
} as unknown as Run;

/** The sizes of all batches that go through a method of the tokenizer meanwhile. */
async function batchesOf(method: 'decodeTokens' | 'encode' | 'forward', f: () => Promise<unknown>): Promise<number[]> {
  const sizes: number[] = [];
  const original = tokenizer[method] as (x: Tensor) => unknown;
  Object.assign(tokenizer, {
    [method]: (x: Tensor) => {
      sizes.push(x.shape[0]);
      return original.call(tokenizer, x);
    },
  });
  try {
    await f();
  } finally {
    delete (tokenizer as unknown as Record<string, unknown>)[method];
  }
  return sizes;
}
const evenly = (total: number) => {
  const most = imagesAtOnce(32);
  return (sizes: number[]) => {
    assert.equal(
      sizes.reduce((a, b) => a + b, 0),
      total,
    );
    assert.ok(sizes.length > 1 && sizes.every((n) => n <= most && n > most / 2), `${sizes}`);
  };
};

test('generate decodes in batches, with progress, and gives the same pictures as fewer at once', async () => {
  const shares: number[] = [];
  let pictures: RgbImage[] = [];
  const onProgress = (done: number, total: number) => shares.push(done / total);
  evenly(1200)(
    await batchesOf('decodeTokens', async () => {
      pictures = await generate(run, classes, { count: 4, onProgress });
    }),
  );
  assert.equal(pictures.length, 1200);
  assert.equal(shares.at(-1), 1);
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => a - b),
  );
});

test('tokenize and reconstruct take pictures in batches, each as if it were alone', async () => {
  const rng = new Rng(3);
  const pictures = Array.from({ length: 600 }, (_, i): RgbImage => {
    const data = Uint8Array.from(rng.uniforms(40 * 33 * 3, 0, 256));
    return { width: 40, height: 33, data: i === 599 ? new Uint8Array(40 * 33 * 3) : data };
  });
  let rows: number[][] = [];
  evenly(600)(
    await batchesOf('encode', async () => {
      rows = await tokenize(tokenizer, pictures);
    }),
  );
  for (const i of [0, 299, 599]) assert.deepEqual(await tokenize(tokenizer, [pictures[i]]), [rows[i]]);
  let results: Awaited<ReturnType<typeof reconstruct>> = [];
  evenly(600)(
    await batchesOf('encode', async () => {
      results = await reconstruct(tokenizer, pictures);
    }),
  );
  for (const i of [0, 299, 599]) {
    const [alone] = await reconstruct(tokenizer, [pictures[i]]);
    assert.deepEqual(alone.input, results[i].input);
    assert.ok(Math.abs(alone.psnr - results[i].psnr) < 1e-3);
  }
  assert.deepEqual(await tokenize(tokenizer, []), []);
  assert.deepEqual(await reconstruct(tokenizer, []), []);
});

test('generate checks its options', async () => {
  const whole = (name: string, least: number, most: number) =>
    `generate, ${name}: expected a whole number from ${least} to ${most}, got `;
  const wrong: [options: object, message: string][] = [
    ...[0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e9, '3', null].map((count): [object, string] => [
      { count },
      whole('count', 1, 10_000),
    ]),
    ...[-1, 0.5, 2 ** 32, 1e99].map((seed): [object, string] => [{ seed }, whole('seed', 0, 2 ** 32 - 1)]),
    [{ sampling: { steps: 0 } }, 'generate, sampling, steps: expected a whole number from 1 to 1000, got 0.'],
    [
      { sampling: { guidanceScale: Number.NaN } },
      'generate, sampling, guidanceScale: expected a number from 0 to 1000, got ',
    ],
    [{ sampling: { schedule: 'cosin' } }, 'generate, sampling, schedule: expected one of '],
    [{ sampling: { temperature: 2 } }, 'generate, sampling, temperature: expected no such setting, got 2.'],
    [{ cuont: 3 }, 'generate, cuont: expected no such setting, got 3.'],
    [{ count: 10_000 }, 'generate: expected pictures of at most 2 GB, got 3000000 of 9.2 GB.'],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(generate(run, classes, options), (error: Error) => {
      assert.equal(error.name, 'OptionError', error.stack);
      assert.ok(error.message.startsWith(message), error.message);
      return true;
    });
  }
  await assert.rejects(generate(run, ''), { name: 'OptionError' });
});

test('the picture that a training draws of 300 classes shows some of them', async () => {
  const drawn: { file: string; sheet: Sheet; labels: readonly string[]; pictures: readonly RgbImage[] }[] = [];
  const drawSheet: RunContext['drawSheet'] = async (file, sheet, labels, pictures) => {
    drawn.push({ file, sheet, labels, pictures });
  };
  await generatorStage.draw({ ...run, drawSheet } as unknown as RunContext, trained);
  const [{ file, sheet, labels, pictures }] = drawn;
  assert.deepEqual([file, sheet.rows, sheet.each, labels[1]], ['samples.png', 50, 12, 'class 6']);
  assert.equal(pictures.length, 600);
});

test('a sheet fits into a file and shows as much as it can', () => {
  const short = Array.from({ length: 8 }, () => 'Animals & Nature');
  assert.deepEqual(planSheet(short, 12, 32), { rows: 8, each: 12, columns: 12, scale: 3 });
  assert.deepEqual(planSheet(short, 400, 32), { rows: 8, each: 400, columns: 57, scale: 3 });
  const all = planSheet(classes, 12, 32);
  assert.deepEqual([all.rows, all.each], [300, 12]);
  const sizes = fc.constantFrom(1, 16, 32, 64, 256, 1024, 4096);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 10_000 }), sizes, (count, each, size) => {
      const labels = Array.from({ length: count }, (_, i) => `${i}`.padEnd(i % 90, 'x'));
      const sheet = planSheet(labels, each, size);
      assert.ok(sheet.rows >= 1 && sheet.rows <= count && sheet.each >= 1 && sheet.each <= each && sheet.scale >= 1);
      const cells = sheet.rows * Math.ceil(sheet.each / sheet.columns) * sheet.columns;
      const rowLabels = labels.map((label) => label.slice(0, 40));
      assert.ok(gridSize({ width: size, height: size }, cells, sheet.columns, { scale: sheet.scale, rowLabels }).fits);
    }),
    { numRuns: 60 },
  );
});

test('a class with several rows of pictures has its label at the first', async () => {
  const gray = (value: number): RgbImage => ({ width: 1, height: 1, data: new Uint8Array(3).fill(value) });
  const sheet = { rows: 2, each: 3, columns: 2, scale: 1 };
  const { width, height, data } = await drawSheet(sheet, ['', ''], [0, 1, 2, 3, 4, 5].map(gray));
  const at = (column: number, row: number) => data[3 * ((4 + row * 5) * width + (width - 10 + column * 5))];
  assert.equal(height, 4 + 4 * 5);
  assert.deepEqual(
    [0, 1, 2, 3].map((row) => [at(0, row), at(1, row)]),
    [
      [0, 1],
      [2, 255],
      [3, 4],
      [5, 255],
    ],
  );
});
