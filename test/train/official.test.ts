/** What an export holds for the paper's own code: its configurations, shards, weights and script. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Rng } from '../../core/index.ts';
import {
  type ImageDataset,
  type ImageSet,
  loadImageFolder,
  openTensorFile,
  writeSafetensors,
} from '../../data/index.ts';
import { presets, publishedVqgan, type TiTokConfig, warmupConfig } from '../../titok/index.ts';
import { parseOfficial } from '../../train/index.ts';
import { whyNotOfficial, writeOfficial } from '../../train/torch/official.ts';
import { temporaryFolder } from '../data/temporary.ts';

const python = process.env['BENCH_PYTHON'] ?? '/usr/bin/python3';
/** Why a test does not run: a Python module that is missing. */
const without = (module: string) =>
  spawnSync(python, ['-c', `import ${module}`]).status !== 0 && `Python's ${module} is not installed`;
const pythonFiles = fileURLToPath(new URL('../../train/torch/python/', import.meta.url));

const config: TiTokConfig = { ...warmupConfig(presets.s128), imageSize: 32 };

function pictures(count: number, seed: number): ImageSet {
  const [rng, size] = [new Rng(seed), 32];
  return {
    count,
    size,
    images: Uint8Array.from({ length: count * 3 * size * size }, () => rng.int(256)),
    labels: Int32Array.from({ length: count }, (_, i) => i % 3),
    names: Array.from({ length: count }, (_, i) => `${i}`),
  };
}

const dataset: ImageDataset = {
  name: 'noise',
  size: 32,
  classes: ['a', 'b', 'c'],
  mirrored: ['a', 'b', 'c'],
  train: pictures(1003, 1), // of which a shard has 1000
  validation: pictures(5, 2),
};

async function written(t: TestContext): Promise<string> {
  const folder = join(temporaryFolder(t), 'official');
  await writeOfficial(folder, config, dataset);
  return folder;
}

test('both configurations describe the model, and the shards hold the images with their classes', async (t) => {
  const folder = await written(t);
  const read = (name: string) => parseOfficial(readFileSync(join(folder, name), 'utf8'), name).tokenizer;
  assert.deepEqual(read('stage1.yaml'), config);
  assert.deepEqual(read('stage2.yaml'), { ...config, commitmentCost: 0, pixelDecoder: publishedVqgan });
  assert.deepEqual(readdirSync(join(folder, 'shards')).sort(), [
    'train-000000.tar',
    'train-000001.tar',
    'val-000000.tar',
  ]);
  const again = await loadImageFolder(join(folder, 'shards'), 32);
  for (const part of ['train', 'validation'] as const) {
    assert.deepEqual(again[part].images, dataset[part].images);
    assert.deepEqual(again[part].labels, dataset[part].labels);
  }
});

test('OmegaConf, with which the paper’s code reads them, finds shards, weights and settings', {
  skip: without('omegaconf, braceexpand'),
}, async (t) => {
  const folder = await written(t);
  const code = [
    'import sys, os, json, braceexpand',
    'from omegaconf import OmegaConf',
    'for stage in ("stage1", "stage2"):',
    '    c = OmegaConf.merge(OmegaConf.load(f"{sys.argv[1]}/{stage}.yaml"), OmegaConf.from_dotlist(["training.seed=7"]))',
    '    p = c.dataset.params',
    '    shards = [*braceexpand.braceexpand(p.train_shards_path_or_url), *braceexpand.braceexpand(p.eval_shards_path_or_url)]',
    '    print(json.dumps([c.experiment.output_dir, c.experiment.init_weight, [os.path.exists(s) for s in shards], c.training.seed,',
    '        c.optimizer.params.learning_rate, c.dataset.preprocessing.random_flip, c.model.vq_model.finetune_decoder,',
    '        c.losses.quantizer_weight, c.experiment.max_train_examples]))',
  ];
  const env = { ...process.env, HERE: folder, WEIGHTS: 'model.bin' };
  const { stdout, stderr } = spawnSync(python, ['-c', code.join('\n'), folder], { encoding: 'utf8', env });
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one thought
  const found = [true, true, true];
  const of = (stage: string) => [`${folder}/${stage}`, 'model.bin', found, 7, 1e-4, true];
  assert.deepEqual(lines, [[...of('stage1'), false, 1, 1003], [...of('stage2'), true, 0, 1003]], stderr); // biome-ignore format: one thought
});

test('the weights become a file of PyTorch with the same tensors', { skip: without('torch') }, async (t) => {
  const root = temporaryFolder(t);
  cpSync(pythonFiles, root, { recursive: true });
  const data = Float32Array.from({ length: 6 }, (_, i) => i / 7);
  writeSafetensors(join(root, 'model.safetensors'), { 'encoder.x': { shape: [2, 3], data } }, { format: 'pt' });
  const paths = [join(root, 'model.safetensors'), join(root, 'model.bin')];
  const { status, stderr } = spawnSync(python, [join(root, 'official/weights.py'), ...paths], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  using file = openTensorFile(paths[1]);
  assert.deepEqual(file.read('encoder.x'), { dtype: 'F32', shape: [2, 3], data });
});

test('the script starts the paper’s code with the stage, the weights and the options', {
  skip: process.platform === 'win32' && 'no sh on Windows',
}, async (t) => {
  const root = temporaryFolder(t);
  cpSync(pythonFiles, root, { recursive: true });
  const [code, bin, official] = ['1d-tokenizer', 'bin', 'official'].map((name) => join(root, name));
  for (const folder of [code, bin]) mkdirSync(folder, { recursive: true });
  const program = (name: string, ...lines: string[]) => {
    writeFileSync(join(bin, name), ['#!/bin/sh', ...lines, ''].join('\n'));
    chmodSync(join(bin, name), 0o755);
  };
  program('accelerate', 'echo "$PWD $WEIGHTS $*"');
  program('python3', 'echo made > "$3"'); // weights.py model.safetensors model.bin
  const start = (...args: string[]) => {
    const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
    return spawnSync('sh', [join(official, 'train.sh'), ...args], { encoding: 'utf8', env }).stdout.trim();
  };
  const launched = (weights: string, stage: string, options = '') =>
    `${code} ${official}/${weights} launch ${options}scripts/train_titok.py config=${official}/${stage}.yaml`;
  assert.equal(start(code, 'stage1', '--num_processes', '4'), launched('model.bin', 'stage1', '--num_processes 4 '));
  assert.ok(existsSync(join(official, 'model.bin')));
  assert.equal(start(code, 'stage2'), launched('model.bin', 'stage2'));
  mkdirSync(join(official, 'stage1'));
  writeFileSync(join(official, 'stage1/pytorch_model.bin'), '');
  assert.equal(start(code, 'stage2'), launched('stage1/pytorch_model.bin', 'stage2'));
});

test('models that the paper’s code does not know are left to titok.py, each with its reason', () => {
  const known = { config, teacher: publishedVqgan, teacherSteps: 0 };
  assert.equal(whyNotOfficial(known), undefined);
  const narrow = { ...config, encoder: { ...config.encoder, width: 128 } };
  assert.match(
    whyNotOfficial({ ...known, config: narrow })!,
    /^its encoder is small, base or large, .* 8 layers of width 128$/,
  );
  assert.match(whyNotOfficial({ ...known, config: { ...config, legacy: false } })!, /legacy/);
  assert.match(whyNotOfficial({ ...known, teacherSteps: 3 })!, /^its teacher is the published MaskGIT-VQGAN as it is/);
  assert.match(whyNotOfficial({ ...known, teacher: { ...publishedVqgan, codebookSize: 512 } })!, /^its teacher/);
});
