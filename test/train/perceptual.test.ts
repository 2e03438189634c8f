/** The published perceptual losses from the files that others publish, and trainings with them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { noGrad, Rng, randn, type Tensor, uniform } from '../../core/index.ts';
import { loadImageFolder, writeSafetensors } from '../../data/index.ts';
import { loadStateDict, stateDict } from '../../nn/index.ts';
import { PublishedPerceptualLoss } from '../../titok/index.ts';
import { finetune, openRun, single, teacher } from '../../train/index.ts';
import { openPerceptual } from '../../train/perceptual-network.ts';
import { writePictures } from '../cli/command-line.ts';
import { useOneThread } from './recipes.ts';
import { oldTorchFile, writeTorchFile } from './torch-writer.ts';

before(useOneThread);
const folder = mkdtempSync(join(tmpdir(), 'titok-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const sizes = { convnext: { dims: [4, 8, 8, 12], depths: [1, 1, 2, 1], classes: 5 }, vgg: [3, 4, 4, 5, 5] };
const both = 'lpips-convnext_s-1.0-0.1';

/** A small loss with random weights, and its networks in the files and under the names of torchvision and LPIPS. */
async function published() {
  const rng = new Rng(7);
  const loss = new PublishedPerceptualLoss(both, rng, sizes);
  const own = stateDict(loss);
  const isConstant = (name: string) => /^imagenet_|scaling_layer/.test(name);
  const random = Object.entries(own).map(([name, t]): [string, Tensor] => [name, isConstant(name) ? t : randn(t.shape, rng).mul(0.2)]); // biome-ignore format: pairs
  loadStateDict(loss, Object.fromEntries(random));
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  for (const [name, t] of Object.entries(stateDict(loss)))
    tensors[name] = { shape: t.shape, data: (await t.data()) as Float32Array };
  const part = (pattern: RegExp, to: string) =>
    Object.fromEntries(
      Object.entries(tensors).flatMap(([name, t]) => (pattern.test(name) ? [[name.replace(pattern, to), t]] : [])),
    );
  const vgg = part(/^lpips\.net\.slice\d\./, 'features.');
  const at = (name: string) => join(folder, name);
  writeTorchFile(at('convnext_small.pth'), part(/^convnext\./, ''));
  const classifier = { shape: [2, 5], data: new Float32Array(10) };
  writeFileSync(at('vgg16.pth'), oldTorchFile({ ...vgg, 'classifier.0.weight': classifier }));
  writeFileSync(at('vgg.pth'), oldTorchFile(part(/^lpips\.(?=lin)/, '')));
  writeSafetensors(at('whole.safetensors'), tensors);
  const twice = part(/^lpips\.lin(\d)\./, 'lins.$1.'); // as the package of LPIPS lists its layers
  writeFileSync(at('package.pth'), oldTorchFile({ ...part(/^lpips\./, ''), ...twice }));
  return { loss, at };
}

test('networks in the files of torchvision and LPIPS, or in one file, give the loss that they are of', async () => {
  const { loss, at } = await published();
  const files = ['vgg.pth', 'convnext_small.pth', 'vgg16.pth'].map(at);
  const [a, b] = [3, 4].map((seed) => uniform([2, 3, 32, 32], 0, 1, new Rng(seed)));
  const value = async (one: PublishedPerceptualLoss) => noGrad(() => one.forward(a, b)).item();
  const expected = await value(loss);
  assert.ok(expected > 0);
  assert.equal(await value(openPerceptual(both, files)), expected);
  assert.equal(await value(openPerceptual(both, [at('whole.safetensors')])), expected);
  const classes = await value(openPerceptual('convnext_s', files));
  const distance = await value(openPerceptual('lpips', files.slice(0, 3)));
  assert.equal(await value(openPerceptual('lpips', [at('package.pth')])), distance);
  assert.ok(Math.abs((distance + 0.1 * classes) / 1.1 - expected) < 1e-5 * expected);

  assert.throws(() => openPerceptual(both, files.slice(0, 2)), {
    name: 'OptionError',
    message:
      /^perceptualFiles: expected the weights of VGG-16 \(vgg16-….pth of torchvision\) for lpips-convnext_s-1\.0-0\.1, got .*vgg\.pth/,
  });
  writeSafetensors(at('other.safetensors'), { x: { shape: [1], data: Float32Array.of(1) } });
  assert.throws(() => openPerceptual('lpips', [at('other.safetensors')]), {
    name: 'CheckpointError',
    message: /other\.safetensors: expected the weights of ConvNeXt-S or VGG-16 .*, got tensors named x, …/,
  });
});

const half = { width: 16, layers: 1, heads: 2 };
const model = {
  imageSize: 16,
  latentTokens: 4,
  codebookSize: 16,
  encoder: { ...half, patchSize: 8 },
  decoder: { ...half, patchSize: 8 },
} as const;

async function runIn(t: TestContext, name: string) {
  const path = await writePictures(join(folder, 'pictures'));
  const notes: string[] = [];
  const run = await openRun(join(folder, 'runs', `${t.name.length}-${name}`), {
    dataset: (size) => loadImageFolder(path, size),
    notify: (note) => notes.push(note),
  });
  return { run, notes };
}

async function reports(training: AsyncIterable<{ readonly loss: number }>) {
  const losses: number[] = [];
  for await (const { loss } of training) losses.push(loss);
  return losses;
}

test('a training compares with the published networks; it goes on with the same ones only', async (t) => {
  const { at } = await published();
  const { run } = await runIn(t, 'lpips');
  const settings = {
    model,
    batchSize: 2,
    warmupSteps: 1,
    steps: 4,
    continuousSteps: 1,
    perceptualNetwork: 'lpips',
    perceptualFiles: `${at('vgg16.pth')}, ${at('vgg.pth')}`,
    weights: { perceptual: 1, adversarial: 0.1 },
    discriminator: 'published',
    discriminatorStart: 0.5,
  } as const;
  const { run: plain } = await runIn(t, 'mobilenet');
  const { perceptualNetwork: _, perceptualFiles: __, ...usual } = settings;
  const [own, other] = [await reports(run.train(single, settings)), await reports(plain.train(single, usual))];
  assert.equal(own.length, 4);
  assert.ok(own.every((loss, i) => Number.isFinite(loss) && loss !== other[i]));

  const more = { ...settings, steps: 5 };
  await assert.rejects(reports(run.train(single, { ...more, perceptualNetwork: 'mobilenet', perceptualFiles: '' })), {
    name: 'OptionError',
    message: /perceptualNetwork.*lpips.*mobilenet/,
  });
  await assert.rejects(
    reports(run.train(single, { ...more, discriminator: 'small' })),
    /discriminator.*published.*small/,
  );
  const without = { ...more, weights: { ...settings.weights, perceptual: 0 } };
  assert.equal((await reports(run.train(single, without))).length, 1, 'no network is asked for');
  const on = { ...settings, steps: 6 };
  writeFileSync(at('vgg.pth'), oldTorchFile(changed(await headsOf())));
  await assert.rejects(reports(run.train(single, on)), { name: 'CheckpointError', message: /perceptual network/ });
  await published();
  assert.equal((await reports(run.train(single, on))).length, 1);
});

async function headsOf() {
  const heads = stateDict(new PublishedPerceptualLoss('lpips', new Rng(1), sizes));
  const kept = Object.entries(heads).filter(([name]) => name.startsWith('lpips.lin'));
  return Promise.all(kept.map(async ([name, t]) => [name.slice('lpips.'.length), { shape: t.shape, data: (await t.data()) as Float32Array }] as const)); // biome-ignore format: one thought
}
const changed = (heads: Awaited<ReturnType<typeof headsOf>>) =>
  Object.fromEntries(heads.map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => x + 1) }]));

test('networks without files, files without a network, and judges without a weight', async (t) => {
  const { run, notes } = await runIn(t, 'none');
  for (const stage of [teacher, finetune, single]) {
    const train = (settings: object) => reports(run.train(stage, settings));
    await assert.rejects(train({ perceptualNetwork: 'lpips' }), /perceptualFiles: expected files with the weights of perceptualNetwork lpips, got ['"]?none/); // biome-ignore format: rows
    await assert.rejects(train({ perceptualFiles: 'a.pth' }), /perceptualFiles: expected no files, as perceptualNetwork mobilenet is in the package, got ['"]?a\.pth/); // biome-ignore format: rows
  }
  const { at } = await published();
  await reports(
    run.train(single, {
      model,
      batchSize: 2,
      warmupSteps: 1,
      steps: 2,
      continuousSteps: 1,
      perceptualNetwork: 'convnext_s',
      perceptualFiles: at('convnext_small.pth'),
      discriminator: 'published',
      weights: { perceptual: 0, adversarial: 0 },
    }),
  );
  assert.ok(notes.includes('single, discriminator published: without weights.adversarial there is none.'));
  assert.ok(notes.some((note) => note.startsWith('single, perceptualNetwork convnext_s: without weights.perceptual')));
});
