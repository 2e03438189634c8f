/** `titok evaluate`: a run, a model, two sets of pictures; and samples as public evaluators read them. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Rng } from '../../core/index.ts';
import { imageSet, readNpz, writePictureNpz, writePng } from '../../data/index.ts';
import { comparePictures, exportModel, openRun } from '../../train/index.ts';
import { trainedRun } from '../train/trained-run.ts';
import { titok, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-evaluate-')));
after(() => rmSync(folder, { recursive: true, force: true }));
const thread = ['--threads', '1'];

/** Twelve squares of noise around a color, half of them in each class. */
async function writeSet(name: string, size: number, seed: number): Promise<void> {
  const rng = new Rng(seed);
  for (let i = 0; i < 12; i++) {
    const color = [60 + 10 * i, 120, 200 - 12 * i];
    const data = Uint8Array.from({ length: 3 * size * size }, (_, p) => color[p % 3] + rng.int(50));
    await writePng(join(name, i % 2 ? 'odd' : 'even', `${i}.png`), { width: size, height: size, data });
  }
}

before(async () => {
  await trainedRun('.');
  await exportModel(await openRun('runs/small'), 'small.safetensors');
  for (const [name, size, seed] of [
    ['real', 16, 1],
    ['other', 16, 2],
    ['large', 24, 3],
  ] as const)
    await writeSet(name, size, seed);
});

test('two sets of pictures: a table, or JSON; equal ones overlap completely', async (t) => {
  const { status, out, err } = await titok(t, 'evaluate', 'real', 'other', ...thread);
  assert.deepEqual([status, err], [0, '']);
  assert.match(out, /^ +pictures +FD +precision +recall +density +coverage +inception\nreal +12 +–.*\nother +12 +\d/);
  assert.match(
    out,
    /\nFD, precision, .* FD is not FID\..*\nInception score: of a linear classifier .*, 2 classes, that learned from the real ones\.$/,
  );

  const same = await titok(t, 'evaluate', 'real', 'real', '--paired', '--json', ...thread);
  const { reference, pictures, figures } = JSON.parse(same.out);
  assert.deepEqual(reference, { path: 'real', pictures: 12, size: 16 });
  assert.deepEqual(pictures, reference);
  assert.ok(Math.abs(figures.fd) < 1e-6 && Math.abs(figures.ssim - 1) < 1e-12, same.out);
  assert.deepEqual([figures.precision, figures.recall, figures.density, figures.coverage], [1, 1, 1, 1]);
  assert.equal(figures.psnr, null, 'infinite, which JSON does not have');
  assert.equal(figures.inceptionScore, figures.referenceInceptionScore);
});

test('pairs are found by their names, whatever their order and endings', async (t) => {
  cpSync('other', 'renamed', { recursive: true });
  const paired = async (path: string) =>
    JSON.parse((await titok(t, 'evaluate', 'real', path, '--paired', '--json', ...thread)).out).figures;
  const { psnr, ssim } = await paired('other');
  assert.ok(psnr > 15 && psnr < 30 && ssim > 0 && ssim < 1, `${psnr} ${ssim}`);
  const bytes = readFileSync('renamed/odd/1.png');
  rmSync('renamed/odd/1.png');
  writeFileSync('renamed/odd/1.bitmap.webp', bytes);
  const lost = await titok(t, 'evaluate', 'real', 'renamed', '--paired', ...thread);
  assert.match(
    lost.err,
    /^paired: expected the same file names in both, .* got 'odd\/1\.png' among the reference alone\.$/,
  );
  rmSync('renamed/odd/1.bitmap.webp');
  writeFileSync('renamed/odd/1.webp', bytes);
  assert.equal((await paired('renamed')).psnr, psnr);
});

test('a picture that is there in two formats has no partner of its own', async () => {
  const setOf = (names: readonly string[]) => {
    const items = names.map((name, i) => ({ planes: new Uint8Array(3 * 64).fill(20 * i), label: 0, name }));
    return { set: imageSet(items, 8), classes: 0 };
  };
  const [real, other] = ['a.png a.webp b.png c.png d.png e.png', 'a.png b.png c.png d.png e.png f.png'].map((names) => setOf(names.split(' '))); // biome-ignore format: one thought
  const refusal = /^DataError: paired: expected the same file names in both, .* got two of one name\.$/;
  await assert.rejects(comparePictures(real, other, { paired: true }), refusal);
});

test('sets that cannot be compared: sizes, too few, none, one alone', async (t) => {
  mkdirSync('empty');
  mkdirSync('few');
  for (const file of readdirSync('real/odd').slice(0, 3)) cpSync(`real/odd/${file}`, `few/${file}`);
  const mistakes: [words: string[], message: RegExp][] = [
    [
      ['real', 'large'],
      /^comparePictures: expected pictures of one size, got 16×16 \(reference\) and 24×24 pixels\. Give a size/,
    ],
    [['real', 'few'], /^pictures: expected at least 6 pictures, got 3\./],
    [['real', 'empty'], /^empty: expected pictures, got a folder without any\.$/],
    [['real', 'nowhere'], /^nowhere: expected a folder of images, got ENOENT/],
    [['real'], /^titok evaluate: expected a run, or two sets of pictures, got real alone\.$/],
    [['missing'], /^run: expected a folder in runs\/, or the path of a run, got 'missing'/],
    [['real', 'other', 'large'], /^titok evaluate: expected a run or two sets of pictures, got 3 words\.$/],
    [['real', 'other', '--data', 'emoji'], /^--data: expected a run or a model to measure, got real and other\.$/],
    [['small', '--skip-broken'], /^--skip-broken: expected --data with it, got none\./],
    [['small', '--paired'], /^--paired: expected two sets of pictures to measure, got small\.$/],
    [
      ['small', '--model', 'emoji-32'],
      /^--model: expected one of a run and --model, got small and emoji-32\. Choose one\.$/,
    ],
    [['small', '--samples', '2'], /^--samples: expected a whole number from 6 to 100000, got '2'\.$/],
    [['small'], /^pictures, held out: expected at least 6 pictures, got 4\./],
  ];
  for (const [words, message] of mistakes) {
    const { status, out, err } = await titok(t, 'evaluate', ...words, ...thread);
    assert.deepEqual([status, out], [1, ''], words.join(' '));
    assert.match(err, message);
  }
  const { status } = await titok(t, 'evaluate', 'real', 'large', '--size', '16', ...thread);
  assert.equal(status, 0);
});

test('a run: all figures, and .npz files with the pictures that give them', async (t) => {
  const options = ['--data', 'pictures', '--held-out', '0.5', '--json', ...thread];
  rmSync('pictures/val', { recursive: true }); // 12 pictures are left, and half of them held out
  const { status, out, err } = await titok(t, 'evaluate', 'small', '--npz', 'files', ...options);
  assert.equal(status, 0, err);
  const { model, data, heldOut, reconstructions, samples, latents } = JSON.parse(out);
  assert.deepEqual([model, data], ['small', { name: 'pictures', size: 16, classes: 2, train: 6, heldOut: 6 }]);
  assert.deepEqual([heldOut.pictures, samples.pictures, latents.latents], [6, 6, 48]);
  for (const figure of ['psnr', 'ssim', 'fd', 'precision', 'recall', 'density', 'coverage', 'codesUsed'])
    assert.equal(typeof reconstructions[figure], 'number', figure);
  for (const figure of ['fd', 'precision', 'recall', 'density', 'coverage', 'variety', 'inceptionScore', 'accuracy'])
    assert.equal(typeof samples[figure], 'number', figure);
  for (const share of [latents.accuracy, latents.balancedAccuracy, latents.commonest, heldOut.accuracy])
    assert.ok(share >= 0 && share <= 1);

  assert.deepEqual(readdirSync('files').sort(), ['held-out.npz', 'reconstructions.npz', 'samples.npz']);
  const again = await titok(
    t,
    'evaluate',
    'files/held-out.npz',
    'files/reconstructions.npz',
    '--paired',
    '--json',
    ...thread,
  );
  const { figures } = JSON.parse(again.out);
  assert.ok(Math.abs(figures.psnr - reconstructions.psnr) < 0.1, `${figures.psnr} ${reconstructions.psnr}`); // 8 bits
  assert.ok(Math.abs(figures.ssim - reconstructions.ssim) < 0.01, `${figures.ssim} ${reconstructions.ssim}`);

  const more = await titok(
    t,
    'evaluate',
    'small',
    '--samples',
    '14',
    '--seed',
    '5',
    '--data',
    'pictures',
    '--held-out',
    '0.5',
    ...thread,
  );
  assert.match(
    more.out,
    /^6 training and 6 held-out images of 16×16 in 2 classes\n\n.*inception +accuracy\nheld-out +6 .*\nreconstructions +6 .*\nsamples +14 /,
  );
  assert.match(more.out, /\nLinear probe of the 48 latents: \d+\.\d % of held-out images in their class/);
});

test('other pictures held out than those that the model was trained with are told', async (t) => {
  for (const share of [[], ['--held-out', '0.5']]) {
    const options = ['--data', 'pictures', ...share, ...thread];
    const { err } = await titok(t, 'evaluate', '--model', 'small.safetensors', ...options);
    assert.match(
      err,
      /small learned from 'pictures' with 4 pictures held out, here \d+ are: it may have learned from some of them\. Give the --held-out/,
    );
  }
});

test('sample --npz: more than a file holds is refused before anything is sampled', async (t) => {
  const { err } = await titok(t, 'sample', '--name', 'small', '--count', '20000', '--npz', 'out/many.npz', ...thread);
  assert.match(err, /^--npz: expected at most 10,000 pictures of a class, of 2 GB together, got 40,000 of 0\.0 GB\. Write each .* --folder/); // biome-ignore format: one line
});

test("a model's file measures like its run", async (t) => {
  const options = ['--data', 'pictures', '--held-out', '0.5', '--json', ...thread];
  const [run, file] = [
    await titok(t, 'evaluate', 'small', ...options),
    await titok(t, 'evaluate', '--model', 'small.safetensors', ...options),
  ];
  assert.deepEqual(
    [run.status, file.err],
    [0, `model small: 16 × 16 pixels in 4 tokens of 16 codes, 2 classes\n${run.err}`],
  );
  const figures = (out: string) => JSON.parse(out, (key, value) => (key === 'samplesPerSecond' ? undefined : value));
  assert.deepEqual(figures(file.out), figures(run.out));
  const without = await titok(t, 'evaluate', '--model', 'small.safetensors', ...thread);
  assert.match(
    without.err,
    /\n--data: expected the pictures to measure small with, got none\. It learned from 'pictures'\.$/,
  );
  const emoji = await titok(t, 'evaluate', '--model', 'small.safetensors', '--data', 'emoji', ...thread);
  assert.match(
    emoji.err,
    /\nemoji: expected classes that the generator of small knows \(2: cats, dogs\), got '.*' among 8\./,
  );
});

test('sample --npz: every picture with its class', async (t) => {
  const { status, out, err } = await titok(
    t,
    'sample',
    '--name',
    'small',
    '--count',
    '3',
    '--npz',
    'out/s.npz',
    ...thread,
  );
  assert.deepEqual([status, out, err], [0, 'out/s.npz  6 pictures of 2 classes', '']);
  const { arr_0, arr_1 } = readNpz('out/s.npz');
  assert.deepEqual(
    [arr_0.shape, Array.from(arr_1.data, Number)],
    [
      [6, 16, 16, 3],
      [0, 0, 0, 1, 1, 1],
    ],
  );
  const dogs = await titok(
    t,
    'sample',
    '--name',
    'small',
    '--class',
    'dogs',
    '--count',
    '3',
    '--npz',
    'out/d.npz',
    ...thread,
  );
  assert.equal(dogs.status, 0);
  assert.deepEqual(Array.from(readNpz('out/d.npz').arr_1.data, Number), [1, 1, 1]);
  for (const [words, message] of [
    [['--npz', 'a.png'], '--npz: expected a file that ends in .npz, got a.png.'],
    [['--npz', 'a.npz', '--output', 'a.png'], '--npz: expected one of --output and --npz, got both. Choose one.'],
  ] as const)
    assert.equal((await titok(t, 'sample', '--name', 'small', ...words)).err, message);
  writePictureNpz('out/r.npz', [{ width: 16, height: 16, data: new Uint8Array(768) }]);
  assert.match(
    (await titok(t, 'evaluate', 'out/s.npz', 'out/r.npz', ...thread)).err,
    /^pictures: expected at least 6 pictures, got 1\./,
  );
});
