/** Out to PyTorch and back: export, verify, two updates by two processes, import. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs, { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { noGrad, Rng, type Tensor, tensor, tensorScope } from '../../core/index.ts';
import {
  type ImageDataset,
  type ImageSet,
  loadCheckpoint,
  readSafetensors,
  writeSafetensors,
} from '../../data/index.ts';
import { stateDict } from '../../nn/index.ts';
import type { TiTok } from '../../titok/index.ts';
import {
  exportTorch,
  importTorch,
  openRun,
  parseOfficial,
  type Run,
  RunFolder,
  single,
  teacher,
  verifyTorch,
  warmup,
} from '../../train/index.ts';
import { exportedFolder } from '../../train/torch/folder.ts';
import { temporaryFolder } from '../data/temporary.ts';

/** Debian's Python, which has python3-torch, even if PATH finds another Python first. */
const python = process.env['BENCH_PYTHON'] ?? '/usr/bin/python3';
const { stdout } = spawnSync(python, ['-c', 'import numpy, torch.distributed as d; print(d.is_gloo_available())'], {
  encoding: 'utf8',
});
const skip = stdout?.trim() !== 'True' && 'torch with gloo is not installed; Debian: apt install python3-torch';

/** Two processes on a free port. PyTorch 1.13 on Python 3.11 starts nothing unless -r and -t are 1 or 2. */
async function torchrun(): Promise<string[]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return `-m torch.distributed.run --nproc_per_node 2 --master_addr 127.0.0.1 --master_port ${port} -r 1 -t 1`.split(
    ' ',
  );
}

const half = { width: 16, layers: 2, heads: 2 };
const count = 8; // as many pictures as a batch has, so that every update sees all of them, in whatever order
const short = { batchSize: count, warmupSteps: 2, steps: 12, scheduleSteps: 12, continuousSteps: 8 };
const model = {
  imageSize: 16,
  latentTokens: 4,
  codebookSize: 16,
  encoder: half,
  decoder: half,
  init: 'fan-in',
} as const;

function pictures(seed: number): ImageSet {
  const rng = new Rng(seed);
  const images = Uint8Array.from({ length: count * 3 * 16 * 16 }, (_, i) => (i * (1 + (i >> 8)) + rng.int(40)) % 256);
  return {
    count,
    size: 16,
    images,
    labels: new Int32Array(count),
    names: Array.from({ length: count }, (_, i) => `${i}`),
  };
}
const dataset: ImageDataset = {
  name: 'noise',
  size: 16,
  classes: ['noise'],
  train: pictures(1),
  validation: pictures(2),
};

interface Case {
  readonly stage: 'warmup' | 'single';
  readonly changes: object;
}
const cases: Readonly<Record<string, Case>> = {
  'stage 1 with Muon and an averaged codebook': { stage: 'warmup', changes: { model: { ...model, legacy: true } } },
  'the single stage with AdamW and a codebook by gradient': {
    stage: 'single',
    changes: { model: { ...model, head: 'pixels' }, optimizer: 'adamw', codebook: 'gradient' },
  },
};
const stages = { warmup, single };

/** Trains up to an update, and returns the losses on the way. */
async function losses(run: Run, stage: Case['stage'], changes: object, last: number): Promise<number[]> {
  const found: number[] = [];
  for await (const { step, figures } of run.train(stages[stage], changes)) {
    found.push(figures.loss);
    if (step === last) break;
  }
  return found;
}

/** A run after 10 of 12 updates. */
async function begun(folder: string, { stage, changes }: Case): Promise<Run> {
  const run = await openRun(folder, { dataset, saveEvery: 0, measureEvery: 0 });
  const config = { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 } as const;
  if (stage === 'warmup')
    for await (const _ of run.train(teacher, {
      batchSize: 4,
      steps: 6,
      continuousSteps: 2,
      imageSize: 16,
      teacher: config,
    }));
  await losses(run, stage, { ...short, ...changes }, 10);
  return openRun(folder, { dataset, saveEvery: 0, measureEvery: 0 });
}

function runPython(args: readonly string[]): string {
  const env = { ...process.env, OMP_NUM_THREADS: '1', GLOO_SOCKET_IFNAME: 'lo' };
  const { status, stdout, stderr, error } = spawnSync(python, args, { encoding: 'utf8', env, timeout: 120_000 });
  assert.equal(status, 0, `${args.join(' ')}: ${error ?? ''}\n${stdout}\n${stderr}`);
  return stdout;
}

async function idsOf(model: TiTok): Promise<Int32Array> {
  using _ = tensorScope();
  const { images, count, size } = dataset.validation;
  const x = tensor(
    Float32Array.from(images, (byte) => byte / 255),
    [count, 3, size, size],
  );
  return Int32Array.from(await noGrad(() => model.encode(x).indices).data());
}

const values = async (t: Tensor) => Float64Array.from(await t.data());

for (const [name, one] of Object.entries(cases)) {
  test(`${name}: two updates by two processes of PyTorch are those made here`, { skip }, async (t) => {
    const root = temporaryFolder(t);
    const [folder, back] = [join(root, 'out'), join(root, 'runs/back')];
    const run = await begun(join(root, 'runs/a'), one);
    const { stage } = one;
    const { notOfficial, ...exported } = await exportTorch(run, folder);
    assert.deepEqual(exported, { stage, done: 10, steps: 12 });
    assert.match(notOfficial!, stage === 'warmup' ? /^its encoder is small, base or large/ : /^it has no single stage/);

    await verifyTorch(folder);
    assert.match(runPython([join(folder, 'verify.py')]), /ids: 16 of 16 equal\n.*\n.*\ngradient: \d\d tensors/);

    for (const steps of stage === 'warmup' ? ['11', '12'] : ['12']) // it goes on from its own file, too
      runPython([...(await torchrun()), join(folder, 'train.py'), '--steps', steps]);
    const there = readFileSync(join(folder, 'log.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line).loss as number); // biome-ignore format: one thought
    const here = await losses(run, stage, {}, 12);
    assert.equal(there.length, 2);
    for (const [i, loss] of here.entries())
      assert.ok(Math.abs(there[i] - loss) <= 1e-5 * loss, `update ${i}: expected ${loss}, got ${there[i]}`);

    assert.deepEqual(await importTorch(folder, back), { stage, done: 12, hasOptimizer: true });
    const returned = await openRun(back, { dataset, saveEvery: 0, measureEvery: 0 });
    const [before, after] = [join(folder, 'run'), back].map((at) => new RunFolder(at).meta({ name: stage }).loop);
    assert.equal(after.images, before.images + 2 * count);
    assert.ok(
      after.seconds > before.seconds && after.seconds < before.seconds + 60,
      'the time of the two updates there',
    );
    const [own, other]: TiTok[] = [run.model<TiTok>(stages[stage]), returned.model<TiTok>(stages[stage])];
    assert.deepEqual(await idsOf(other), await idsOf(own));
    for (const [key, p] of Object.entries(stateDict(own))) {
      const [a, b] = [await values(p), await values(stateDict(other)[key])];
      const largest = a.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
      const worst = a.reduce((m, x, i) => Math.max(m, Math.abs(x - b[i])), 0);
      assert.ok(worst <= 1e-3 * largest, `${key}: differs by ${worst} of ${largest}`);
    }

    // both go on alike, which they would not without the optimizer's state
    const [next] = await losses(
      await openRun(join(root, 'runs/a'), { dataset, measureEvery: 0 }),
      stage,
      { steps: 14 },
      14,
    ).then((x) => x.slice(-1));
    const [last] = await losses(returned, stage, { steps: 14 }, 14).then((x) => x.slice(-1));
    assert.ok(Math.abs(next - last) <= 1e-4 * next, `expected ${next}, got ${last}`);
  });
}

const weightsOnly = { stage: 'warmup', done: 10, hasOptimizer: false } as const;

test('weights alone come back, into the run that centers pixels, and train on with a new optimizer', async (t) => {
  const root = temporaryFolder(t);
  const [folder, back] = [join(root, 'out'), join(root, 'runs/back')];
  const run = await begun(join(root, 'runs/a'), cases['stage 1 with Muon and an averaged codebook']);
  await exportTorch(run, folder);
  const { config } = run.model(warmup);
  const { tokenizer } = parseOfficial(readFileSync(join(folder, 'config.yaml'), 'utf8'), 'config.yaml');
  assert.ok(config.pixels);
  for (const [key, value] of Object.entries(tokenizer))
    if (key !== 'init') assert.deepEqual(config[key as 'head'], value, key);

  assert.deepEqual(await importTorch(join(folder, 'model.safetensors'), back), weightsOnly);
  const returned = await openRun(back, { dataset, saveEvery: 0, measureEvery: 0 });
  assert.deepEqual(await idsOf(returned.model(warmup)), await idsOf(run.model(warmup)));
  assert.deepEqual(returned.meta(warmup).state.optimizers, { model: 0, muon: 0 });
  const [own, other] = [await losses(run, 'warmup', {}, 11), await losses(returned, 'warmup', {}, 11)];
  assert.ok(Math.abs(own[0] - other[0]) < 1e-4 * own[0], `expected ${own[0]}, got ${other[0]}`);
});

test('averages of the weights begin again at those that come back', async (t) => {
  const root = temporaryFolder(t);
  const [folder, back] = [join(root, 'out'), join(root, 'runs/back')];
  const one = cases['the single stage with AdamW and a codebook by gradient'];
  const run = await begun(join(root, 'runs/a'), { ...one, changes: { ...one.changes, emaDecay: 0.9 } });
  await exportTorch(run, folder);
  const there = readSafetensors(join(folder, 'run/single.safetensors'));
  const { settings, state, loop } = new RunFolder(join(folder, 'run')).meta(single);
  const training = { settings, done: 11, updates: { model: 11 }, recent: loop.recent };
  const own = Object.entries(there.tensors).filter(([name]) => !name.startsWith('ema.')); // as train.py writes it
  const moved = own.map(([name, tensor]) => [name, { ...tensor, data: Float32Array.from(tensor.data, (x) => x + 1) }]);
  const weights = Object.fromEntries(own.flatMap(([name, tensor]) => (name.startsWith('model/') ? [[name.slice(6), tensor]] : []))); // biome-ignore format: one thought
  writeSafetensors(join(folder, 'trained.safetensors'), Object.fromEntries(moved), {
    training: JSON.stringify(training),
  });
  writeSafetensors(join(folder, 'weights.safetensors'), weights);
  for (const path of [folder, join(folder, 'weights.safetensors')]) {
    await importTorch(path, back, { overwrite: true });
    const { groups } = loadCheckpoint(join(back, 'single.safetensors'));
    assert.deepEqual(Object.keys(groups).sort(), ['codebook', 'ema.model', 'model', 'optimizer.model']);
    for (const [name, { data }] of Object.entries(groups['ema.model']))
      assert.deepEqual(data, groups['model'][name].data);
    assert.deepEqual(new RunFolder(back).meta(single).state.averages, state.averages);
  }
});

test("a parallel model's state dict comes back", { skip }, async (t) => {
  const root = temporaryFolder(t);
  const folder = join(root, 'out');
  const run = await begun(join(root, 'runs/a'), cases['stage 1 with Muon and an averaged codebook']);
  await exportTorch(run, folder);
  const save = [
    'import sys, torch, tensors',
    "state = {'module.' + k: torch.tensor(v) for k, v in tensors.read(sys.argv[1] + '/model.safetensors')[0].items()}",
    "torch.save({'model': state, 'step': 5}, sys.argv[1] + '/result.pt')",
  ];
  writeFileSync(join(folder, 'save.py'), save.join('\n'));
  runPython([join(folder, 'save.py'), folder]);
  assert.deepEqual(await importTorch(join(folder, 'result.pt'), join(root, 'runs/back')), weightsOnly);
  const returned = await openRun(join(root, 'runs/back'), { dataset });
  assert.deepEqual(await idsOf(returned.model(warmup)), await idsOf(run.model(warmup)));
});

test('the export that a file belongs to is in a folder above it, wherever the command runs', (t) => {
  const root = temporaryFolder(t);
  const at = process.cwd();
  t.after(() => process.chdir(at));
  for (const folder of ['out/official/stage1', 'other']) {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, 'weights.bin'), '');
  }
  writeFileSync(join(root, 'out/training.json'), '{"stage":"single"}');
  process.chdir(join(root, 'out/official/stage1'));
  assert.deepEqual(exportedFolder('weights.bin'), { folder: join('..', '..'), stage: 'single' });
  process.chdir(join(root, 'out'));
  assert.deepEqual(exportedFolder('.'), { folder: '.', stage: 'single' });
  assert.throws(
    () => exportedFolder('../other/weights.bin'),
    /got one without training\.json/,
    'not the one around it',
  );
});

test('what cannot go out or come back is refused by name', async (t) => {
  const root = temporaryFolder(t);
  const folder = join(root, 'out');
  const one = cases['the single stage with AdamW and a codebook by gradient'];
  const run = await openRun(join(root, 'runs/a'), { dataset, saveEvery: 0, measureEvery: 0 });
  await assert.rejects(exportTorch(run, folder), /expected a checkpoint of warmup or single .* 'titok train warmup'/);
  await losses(run, 'single', { ...short, ...one.changes }, 8);
  await assert.rejects(exportTorch(run, folder), /expected at least 9 updates of single, .* got 8/);
  await assert.rejects(exportTorch(run, folder, 'warmup'), /expected a checkpoint of warmup/);
  const changed = await openRun(join(root, 'runs/b'), { dataset, saveEvery: 0, measureEvery: 0 });
  await losses(
    changed,
    'single',
    { ...short, ...one.changes, model: { ...model, head: 'pixels', quantizer: 'fsq' } },
    9,
  );
  await assert.rejects(exportTorch(changed, folder), /model\.quantizer: expected vq, got fsq/);

  await losses(run, 'single', {}, 9);
  await assert.rejects(
    exportTorch(run, root),
    /--output: expected a new or empty folder, or one of an earlier export, got .*something else/,
  );
  await assert.rejects(verifyTorch(root), /expected a folder that 'titok export --to torch' wrote/);
  await exportTorch(run, folder);
  writeFileSync(join(folder, 'verify.safetensors'), '');
  const renamed = t.mock.method(fs, 'renameSync');
  await exportTorch(run, folder); // again
  const whole = renamed.mock.calls.map(({ arguments: [, to] }) => basename(`${to}`));
  assert.ok(
    ['config.yaml', 'training.json'].every((name) => whole.includes(name)),
    'written aside, then renamed',
  );
  assert.ok(!existsSync(join(folder, 'verify.safetensors')), 'what is of the earlier export goes');
  writeFileSync(join(folder, 'run/teacher.safetensors'), 'of a stage that was exported before');
  await exportTorch(run, folder);
  assert.deepEqual(readdirSync(join(folder, 'run')), ['single.safetensors']);
  const other = await openRun(run.folder, { dataset: { ...dataset, size: 8 } });
  await assert.rejects(exportTorch(other, folder), /expected the 8 pixels of the run's dataset, got 16/);
  assert.ok(existsSync(join(folder, 'training.json')), 'an export that fails leaves the earlier one');
  writeFileSync(join(folder, 'trained.safetensors'), '');
  await assert.rejects(exportTorch(run, folder), /in which PyTorch has made trained\.safetensors\. Bring that back/);
  rmSync(join(folder, 'trained.safetensors'));
  const back = join(root, 'runs/back');
  await assert.rejects(importTorch(join(root, 'nowhere'), back), /got nothing there/);
  await assert.rejects(importTorch(folder, back), /trained\.safetensors: expected what train\.py writes, got no file/);
  const weights = join(folder, 'model.safetensors');
  await assert.rejects(importTorch(weights, join(root, 'runs/a')), /--name: expected a new run/);
  await assert.rejects(
    importTorch(join(folder, 'data.safetensors'), back),
    /expected '\S+' \[.*\], got a file without it/,
  );
  await importTorch(weights, back);
  await importTorch(weights, back, { overwrite: true });
  mkdirSync(join(folder, 'run/teacher.safetensors')); // cannot be copied
  const there = readFileSync(join(back, 'single.safetensors'));
  await assert.rejects(importTorch(weights, back, { overwrite: true }), /teacher\.safetensors/);
  assert.ok(there.equals(readFileSync(join(back, 'single.safetensors'))), 'an import that fails leaves the run');
  assert.ok(!existsSync(join(back, 'imported')));
  rmSync(join(folder, 'training.json'));
  await assert.rejects(importTorch(weights, back), /one without training\.json/);
});
