/** Checkpoints with damaged weights or metadata: an error that names what is wrong, and the last good file stays. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tensor } from '../../core/index.ts';
import {
  type ImageDataset,
  loadCheckpoint,
  readSafetensors,
  saveCheckpoint,
  writeSafetensors,
} from '../../data/index.ts';
import { loadStateDict, stateDict } from '../../nn/index.ts';
import {
  finetune,
  generate,
  generator,
  loadTokenizerFile,
  openRun,
  reconstruct,
  type Stage,
  single,
  teacher,
  tokenize,
  warmup,
} from '../../train/index.ts';
import { discs, useOneThread } from './recipes.ts';

const folder = mkdtempSync(join(tmpdir(), 'titok-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const classes = ['cats', 'dogs'];
const dataset: ImageDataset = { name: 'discs', size: 8, classes, train: discs(12), validation: discs(4) };
const open = () => openRun(folder, { dataset, seed: 1 });
const short = { steps: 3, batchSize: 2, warmupSteps: 1 };
const half = { width: 16, layers: 1, heads: 2 };
const patches = { ...half, patchSize: 4 };
const tokenizer = { ...short, continuousSteps: 2 };
const sizes = { latentTokens: 4, codebookSize: 8, encoder: patches };
const settings: readonly (readonly [Stage, object])[] = [
  [teacher, { ...tokenizer, teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 8 } }],
  [warmup, { ...tokenizer, model: { ...sizes, decoder: half } }],
  [finetune, { ...short, weights: { perceptual: 0, adversarial: 0 } }],
  [single, { ...tokenizer, model: { ...sizes, decoder: patches }, weights: { perceptual: 0 } }],
  [generator, { ...short, generator: { ...half, mlpWidth: 32 }, sampling: { steps: 2 } }],
];
const changesOf = (stage: Stage) => settings.find(([s]) => s === stage)![1];

before(async () => {
  await useOneThread();
  const run = await open();
  for (const [stage, changes] of settings) for await (const _ of run.train(stage, changes));
});

type Meta = Record<string, unknown>;

/** Writes a stage's file again with other metadata or tensors, and puts it back afterwards. */
async function damaged(
  stage: Stage,
  damage: (file: { meta: Meta; tensors: ReturnType<typeof readSafetensors>['tensors'] }) => void,
  use: (path: string) => unknown,
): Promise<void> {
  const path = join(folder, `${stage.name}.safetensors`);
  copyFileSync(path, `${path}.good`);
  const { tensors, metadata } = readSafetensors(path);
  const meta = JSON.parse(metadata['meta']) as Meta;
  damage({ meta, tensors });
  writeSafetensors(path, tensors, { ...metadata, meta: JSON.stringify(meta) });
  try {
    await use(path);
  } finally {
    copyFileSync(`${path}.good`, path);
    rmSync(`${path}.good`);
  }
}

/** Every value below a node that is no object or list, by its path. */
function leaves(node: unknown, path: readonly string[] = []): string[][] {
  if (typeof node !== 'object' || node === null) return [[...path]];
  return Object.entries(node).flatMap(([name, child]) => leaves(child, [...path, name]));
}

function put(meta: Meta, path: readonly string[], value: unknown): void {
  const owner = path.slice(0, -1).reduce<Meta>((group, name) => group[name] as Meta, meta);
  if (value === undefined) delete owner[path.at(-1)!];
  else owner[path.at(-1)!] = value;
}

const refused = (message: RegExp) => ({ name: 'CheckpointError', message });
const escaped = (text: string) => new RegExp(text.replace(/[.[\]()]/g, '\\$&'));

for (const [stage] of settings) {
  test(`${stage.name}: a value of the metadata that is null, or of another kind, is named`, async () => {
    const run = await open();
    const all = leaves(run.meta(stage)).filter((path) => path[0] !== 'stage' && path.at(-1) !== 'pixelDecoder');
    assert.ok(all.length > 30);
    for (const path of all) {
      const name = path.join('.').replace(/\.epoch\.\d$/, '.epoch');
      await damaged(
        stage,
        ({ meta }) => put(meta, path, null),
        () =>
          assert.throws(
            () => run.meta(stage),
            refused(
              new RegExp(` as ${name.replaceAll('.', '\\.')} in its metadata, got (null|\\[.*null.*)\\. Is the file`),
            ),
          ),
      );
    }
  });

  test(`${stage.name}: a value that could be right but is not what was saved, or is missing`, async () => {
    const run = await open();
    const changed = refused(
      /expected (the metadata that was saved, got another one|values that fit each other|as many classes|.* in its metadata, got nothing)/,
    );
    const all = leaves(run.meta(stage)).filter((path) => path[0] !== 'stage' && !/^\d+$/.test(path.at(-1)!));
    for (const path of all.filter((_, i) => i % 5 === 0)) {
      await damaged(
        stage,
        ({ meta }) => put(meta, path, undefined),
        () => assert.throws(() => run.meta(stage), changed),
      );
    }
    const done = ({ meta }: { meta: Meta }) => put(meta, ['state', 'done'], 1);
    await damaged(stage, done, () => assert.throws(() => run.open(stage), changed));
  });
}

test('weights: NaN is named, and a bit that flipped is noticed, wherever a file is loaded', async () => {
  const nan =
    (key: RegExp) =>
    ({ tensors }: { tensors: Record<string, { data: ArrayLike<number> }> }) => {
      const name = Object.keys(tensors).find((k) => key.test(k))!;
      (tensors[name].data as Float32Array)[0] = Number.NaN;
    };
  const named = (key: string) => refused(new RegExp(`checkpoint .*: expected .*, got NaN or infinity in '${key}`));
  await damaged(warmup, nan(/^model\//), async () => {
    assert.throws(() => opened(warmup), named('model/'));
  });
  await damaged(finetune, nan(/^model\//), async (path) => {
    assert.throws(() => loadTokenizerFile(path), named('model/'));
    await assert.rejects(
      open().then((run) => generate(run, 'cats')),
      named('model/'),
    );
  });
  await damaged(teacher, nan(/^optimizer\.model\//), async () => {
    await assert.rejects(
      open().then((run) => run.fit(teacher, { ...changesOf(teacher), steps: 5 })),
      named('optimizer.model/'),
    );
  });
  const flip = ({ tensors }: { tensors: Record<string, { data: ArrayLike<number> }> }) => {
    const name = Object.keys(tensors).find((k) => k.startsWith('model/') && tensors[k].data.length > 100)!;
    new Uint32Array((tensors[name].data as Float32Array).buffer)[7] ^= 1;
  };
  await damaged(finetune, flip, (path) => {
    assert.throws(() => loadTokenizerFile(path), refused(/expected the tensors that were saved, got others/));
  });
});

let run: Awaited<ReturnType<typeof open>>;
before(async () => {
  run = await open();
});
const opened = (stage: Stage) => run.open(stage);

test('a damaged checkpoint can be trained again: with resume false nothing is read from it', async () => {
  await damaged(
    single,
    ({ meta }) => put(meta, ['settings'], null),
    async () => {
      const again = await openRun(folder, { dataset, resume: false });
      for await (const _ of again.train(single, changesOf(single)));
      assert.equal(again.meta(single).state.done, 3);
    },
  );
});

test('files without checksums, published ones and those of earlier versions: NaN is named all the same', async () => {
  const model = (await open()).model(single);
  const values = Object.fromEntries(
    Object.entries(stateDict(model)).map(([name, p]) => [
      name,
      { shape: p.shape, data: Float32Array.from(p.dataSync()) },
    ]),
  );
  values['latent_tokens'].data[3] = Number.NEGATIVE_INFINITY;
  const before = Float32Array.from(model.latent_tokens!.dataSync());
  assert.throws(
    () => loadStateDict(model, values, { source: 'published' }),
    refused(/^published: expected finite values, got -Infinity in 'latent_tokens'\./),
  );
  assert.deepEqual(Float32Array.from(model.latent_tokens!.dataSync()), before, 'nothing was changed');
});

test('weights that are NaN or infinite are not saved: the file before stays, and is gone on from', async () => {
  const path = join(folder, 'teacher.safetensors');
  const file = readFileSync(path);
  const names = readdirSync(folder);
  const { groups, meta } = loadCheckpoint(path);
  for (const group of Object.keys(groups)) {
    const [name] = Object.keys(groups[group]);
    const { shape, data } = groups[group][name];
    const bad = Float32Array.from(data).fill(Number.POSITIVE_INFINITY, 0, 1);
    const save = (values: unknown) =>
      saveCheckpoint(path, { groups: { ...groups, [group]: { ...groups[group], [name]: values as never } }, meta });
    const error = refused(
      escaped(
        `expected finite values to save, got Infinity in '${group}/${name}'. The file saved before is untouched; go on from it`,
      ),
    );
    await assert.rejects(save({ shape, data: bad }), error);
    await assert.rejects(save(tensor(bad, shape)), error);
  }
  assert.deepEqual(readFileSync(path), file);
  assert.deepEqual(readdirSync(folder), names);
});

test('a training whose weights become infinite in its last update keeps its last good checkpoint', async () => {
  const wild = { ...changesOf(teacher), steps: 4, learningRate: 1e38, weightDecay: 1e38, maxNorm: 1e38 };
  const before = readFileSync(join(folder, 'teacher.safetensors'));
  await assert.rejects(
    open().then((run) => run.fit(teacher, wild)),
    /expected finite values to save|is (NaN|-?Infinity)/,
  );
  assert.deepEqual(readFileSync(join(folder, 'teacher.safetensors')), before);
  const row = await (await open()).fit(teacher, { steps: 5, learningRate: 1e-4, weightDecay: 0, maxNorm: 1 });
  assert.equal(row.steps, 5);
});

test('weights that are finite but absurd: no picture, no tokens and no figures without a word', async () => {
  const model = (await open()).model(single);
  const weight = model.encoder.patch_embed.weight;
  weight.assign(new Float32Array(weight.size).fill(3e38));
  const picture = { width: 8, height: 8, data: new Uint8Array(192).fill(200) };
  const error = {
    name: 'NonFiniteError',
    message: /expected finite (pixels|latents), got .*\. Are the .*weights damaged\?$/,
  };
  await assert.rejects(reconstruct(model, [picture]), error);
  await assert.rejects(tokenize(model, [picture]), error);
});
