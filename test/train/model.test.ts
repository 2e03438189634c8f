/** Models as files: written from a run, read in Node and as a browser does, damaged, and gone on from. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Rng, uniform } from '../../core/index.ts';
import { crc32, type Precision, parseSafetensors, serializeSafetensors, writeSafetensors } from '../../data/index.ts';
import { stateDict } from '../../nn/index.ts';
import {
  exportModel,
  finetune,
  generate,
  generator,
  loadModel,
  loadTokenizerFile,
  type Model,
  modelsInBox,
  openRun,
  parseModel,
  presets,
  type Run,
  single,
} from '../../train/index.ts';
import { loadModel as loadInBrowser } from '../../train/load-model-browser.ts';
import { useOneThread } from './recipes.ts';
import { trainedRun } from './trained-run.ts';

const folder = mkdtempSync(join(tmpdir(), 'titok-model-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const fileOf = (precision: Precision) => join(folder, `${precision}.safetensors`);
let run: Run;
const exported = new Map<Precision, Awaited<ReturnType<typeof exportModel>>>();

before(async () => {
  await useOneThread();
  run = await trainedRun(folder);
  for (const precision of ['float32', 'float16', 'int8'] as const)
    exported.set(precision, await exportModel(run, fileOf(precision), { precision, commands: ['titok quickstart'] }));
});

const valuesOf = async (model: object): Promise<Record<string, Float32Array>> => {
  const entries = Object.entries(stateDict(model)).map(async ([name, t]) => [name, Float32Array.from(await t.data())]);
  return Object.fromEntries(await Promise.all(entries));
};

test('float32: the weights, averaged ones of the generator, settings and classes come back', async () => {
  const { tokenizer, generator: drawing, classes, sampling, metadata } = await loadModel(fileOf('float32'));
  assert.deepEqual(await valuesOf(tokenizer), await valuesOf(run.pixelTokenizer()));
  assert.deepEqual(tokenizer.config, run.pixelTokenizer().config);
  assert.ok(tokenizer.config.pixels!.std > 0, 'the encoder still subtracts the mean');
  const fresh = (await openRun(run.folder)).model(generator); // from the checkpoint, with its averages
  assert.deepEqual(await valuesOf(drawing!), await valuesOf(fresh.generator));
  assert.deepEqual([classes, sampling], [fresh.classes, fresh.sampling]);
  assert.deepEqual(classes, ['cats', 'dogs']);
  assert.equal(metadata.written, undefined);
});

test('metadata: name, data, figures of the table, commands', async () => {
  const { metadata } = await loadModel(fileOf('int8'));
  const { bytes, ...said } = exported.get('int8')!;
  assert.equal(bytes, statSync(fileOf('int8')).size);
  assert.deepEqual(JSON.parse(JSON.stringify(metadata)), JSON.parse(JSON.stringify(said)));
  const { name, precision, data, seed, commands, figures, written } = metadata;
  assert.deepEqual([name, precision, seed, commands], ['small', 'int8', 0, ['titok quickstart']]);
  assert.deepEqual(data, { name: 'pictures', classes: ['cats', 'dogs'], train: 12, heldOut: 4, licenses: [] });
  const rows = [await run.evaluate(finetune), await run.evaluate(generator)];
  assert.deepEqual(
    figures.map(({ name, psnr, fd }) => [name, psnr, fd]),
    rows.map(({ name, psnr, fd }) => [name, psnr, fd]),
  );
  assert.ok(Math.abs(written!.psnr - rows[0].psnr!) < 0.2 && written!.fd >= 0 && written!.sampleFd! >= 0);
});

test('fewer bits: smaller files, nearly the same pictures and tokens', async () => {
  const images = uniform([128, 3, 16, 16], 0, 1, new Rng(1));
  const idsOf = async ({ tokenizer }: Model) => (await tokenizer.encode(images).indices.data()).slice();
  const exact = await idsOf(await loadModel(fileOf('float32')));
  const sameIn = async (precision: Precision) => {
    const ids = await idsOf(await loadModel(fileOf(precision)));
    return ids.filter((id, i) => id === exact[i]).length / ids.length;
  };
  const [half, int8] = [await sameIn('float16'), await sameIn('int8')];
  assert.ok(half >= 0.99, `${half} of the tokens are the same`);
  assert.ok(int8 >= 0.9, `${int8} of the tokens are the same`);
  const psnr = exported.get('float32')!.figures[0]['psnr'] as number;
  assert.ok(Math.abs(exported.get('float16')!.written!.psnr - psnr) < 0.02);
  const values = (precision: Precision) => {
    const { tensors } = parseSafetensors(readFileSync(fileOf(precision)));
    return Object.values(serializeSafetensors(tensors)).length && statSync(fileOf(precision)).size;
  };
  assert.ok(values('int8') < values('float16') && values('float16') < values('float32'));
});

test('a model draws, from wherever it comes; a run and its file draw the same', async (t) => {
  const pixels = async (from: Model | Run) => (await generate(from, 'cats', { count: 2 })).map(({ data }) => data);
  const expected = await pixels(run);
  const path = fileOf('float32');
  t.mock.method(globalThis, 'fetch', async (url: string | URL) =>
    `${url}`.endsWith('/missing') ? new Response('', { status: 404 }) : new Response(readFileSync(path)),
  );
  const sources = [path, pathToFileURL(path), readFileSync(path), run.folder, 'https://example.org/a.safetensors'];
  for (const source of sources) assert.deepEqual(await pixels(await loadModel(source)), expected, `${source}`);
  for (const source of [readFileSync(path), new URL('https://example.org/a'), './a.safetensors'])
    assert.deepEqual(await pixels(await loadInBrowser(source)), expected, `${source}`);
  const model = await loadModel(path);
  await assert.rejects(generate(model, 'cats', { stage: 'diffusion' }), {
    name: 'OptionError',
    message: /^stage: expected 'generator', which is all that a model has, got diffusion\. /,
  });
  const named = await generate(model, 'cats', { stage: 'generator', count: 2 });
  assert.deepEqual(
    named.map(({ data }) => data),
    expected,
  );
  await assert.rejects(loadInBrowser('/missing'), {
    name: 'CheckpointError',
    message: '/missing: expected a model, got HTTP 404.',
  });
});

test('the box: models by name, the default, and near misses', async (t) => {
  const box = join(folder, 'box');
  mkdirSync(box);
  assert.deepEqual(modelsInBox(box), { models: [] });
  await assert.rejects(loadModel(undefined, box), {
    name: 'OptionError',
    message:
      'model: expected a file or a run, got none. No models came with this copy: name one with --model FILE or --name RUN.',
  });
  copyFileSync(fileOf('int8'), join(box, 'cats-16.safetensors'));
  const models = [{ name: 'cats-16', file: 'cats-16.safetensors', about: 'cats and dogs' }];
  writeFileSync(join(box, 'index.json'), JSON.stringify({ default: 'cats-16', models }));
  for (const name of [undefined, 'cats-16']) assert.equal((await loadModel(name, box)).metadata.precision, 'int8');
  const message =
    "model: expected a file, a run's folder (runs/NAME) or one of cats-16, got 'cats-61' (did you mean 'cats-16'?).";
  await assert.rejects(loadModel('cats-61', box), { name: 'OptionError', message });
  t.mock.method(globalThis, 'fetch', async (url: string | URL) => new Response(readFileSync(join(folder, `${url}`))));
  for (const name of [undefined, 'cats-16'])
    assert.equal((await loadInBrowser(name, 'box')).metadata.precision, 'int8');
  await assert.rejects(loadInBrowser('cats-61', 'box/'), { message });
  writeFileSync(join(box, 'index.json'), '<!doctype html>');
  await assert.rejects(loadModel(undefined, box), /index\.json: expected an index of models, got <!doctype html>\./);
});

test('the models that came with this copy load, and take 12 MB at most', async () => {
  const { default: usual, models } = modelsInBox();
  if (usual !== undefined)
    assert.ok(
      models.some(({ name }) => name === usual),
      `the default ${usual} is in the box`,
    );
  let bytes = 0;
  for (const { name, file } of models) {
    const model = await loadModel(name);
    assert.equal(model.metadata.name, name);
    assert.ok(model.metadata.commands.length > 0 && model.metadata.data.licenses.length > 0);
    bytes += statSync(new URL(`../../models/${file}`, import.meta.url)).size;
  }
  assert.ok(bytes <= 12e6, `${bytes} bytes`);
});

test('files of other kinds and damaged ones are refused', async () => {
  const refused = (bytes: Uint8Array, message: RegExp) =>
    assert.throws(() => parseModel(bytes, 'm.safetensors'), { name: 'CheckpointError', message });
  const sound = readFileSync(fileOf('float16'));
  for (const at of [300, 2000, sound.length >> 1, sound.length - 1]) {
    const bytes = new Uint8Array(sound);
    bytes[at] ^= 1;
    refused(bytes, /^m\.safetensors: expected /);
  }
  refused(sound.subarray(0, sound.length - 9), /Was the download or copy cut short\?/);
  refused(new TextEncoder().encode('<!doctype html><html><body>404, not found</body></html>'), /got an HTML page/);
  refused(readFileSync(run.checkpoint(finetune)), /expected a model, got the checkpoint of a training\. Name its run/);
  const { tensors, metadata } = parseSafetensors(sound);
  const changed = (change: Record<string, string>) =>
    new Uint8Array(Buffer.concat(serializeSafetensors(tensors, { ...metadata, ...change })));
  refused(changed({ format: 'other' }), /expected a model that titok export wrote, got other safetensors\./);
  refused(changed({ version: '2' }), /expected format version 1, got 2\. Is titok-ts up to date\?/);
  refused(changed({ meta: '{' }), /expected meta as JSON, got \{\. Is the file damaged\?/);
  refused(changed({ meta: '{}' }), /expected the bytes that were written, got others/);
  const [, , ...values] = serializeSafetensors(tensors);
  const without = { meta: '{}', crc32: crc32(new TextEncoder().encode('{}'), ...values) };
  refused(changed(without), /expected .* as name in its metadata, got nothing\. Is the file damaged\?/);
  await assert.rejects(loadModel(join(folder, 'nothing.safetensors')), { name: 'CheckpointError', message: /ENOENT/ });
});

test('a tokenizer alone is exported, and says that it cannot draw', async () => {
  const alone = await openRun(join(folder, 'runs/alone'));
  mkdirSync(alone.folder);
  for (const stage of [finetune]) copyFileSync(run.checkpoint(stage), alone.checkpoint(stage));
  const path = join(folder, 'alone.safetensors');
  await exportModel(alone, path, { precision: 'int8' });
  const model = await loadModel(path);
  assert.deepEqual([model.generator, model.classes], [undefined, []]);
  await assert.rejects(generate(model, 'cats'), {
    name: 'CheckpointError',
    message:
      "model alone: expected a generator, got a tokenizer alone. Train one with 'titok train generator', or choose another model.",
  });
  assert.deepEqual(await valuesOf(loadTokenizerFile(path)), await valuesOf(model.tokenizer));
  const empty = await openRun(join(folder, 'runs/empty'));
  await assert.rejects(exportModel(empty, path), /expected finetune\.safetensors or single\.safetensors, got neither/);
});

const startedFrom = (name: string) =>
  openRun(join(folder, 'runs', name), { source: { path: join(folder, 'pictures') } });
const few = { batchSize: 2, warmupSteps: 0 };

test('--from: the decoder goes on, without a teacher; codes and encoder stay', async () => {
  const from = fileOf('int8');
  const before = await valuesOf((await loadModel(from)).tokenizer);
  const on = await startedFrom('decoder');
  await on.fit(finetune, { ...few, from, steps: 0, weights: { perceptual: 0 } });
  assert.deepEqual(await valuesOf(on.pixelTokenizer()), before, 'begins with the model');
  await on.fit(finetune, { steps: 4 });
  const now = await valuesOf(on.pixelTokenizer());
  const changed = Object.keys(now).filter((name) => now[name].some((value, i) => value !== before[name][i]));
  assert.ok(changed.length > 0 && changed.every((name) => /^(decoder|pixel_)/.test(name)));
  assert.equal(on.meta(finetune).settings['from'], from);
});

test('--from: a single stage goes on as a whole, from a model with a pixel decoder; resumed to the bit', async () => {
  const from = run.folder;
  const settings = { ...few, from, steps: 6, continuousSteps: 300, weights: { perceptual: 0 } };
  const whole = await startedFrom('whole');
  await whole.fit(single, settings);
  const parts = await startedFrom('parts');
  for await (const { step } of parts.train(single, settings)) if (step === 3) break;
  const resumed = await startedFrom('parts');
  for await (const _ of resumed.train(single, settings));
  assert.deepEqual(await valuesOf(resumed.model(single)), await valuesOf(whole.model(single)));
  assert.deepEqual(whole.model(single).config, run.pixelTokenizer().config);
});

test('--from: a generator learns other classes on the codes of its tokenizer, which the run need not have', async () => {
  const from = join(folder, 'from.safetensors');
  copyFileSync(fileOf('float32'), from);
  const on = await startedFrom('generator');
  const settings = { ...few, from, steps: 3, sampling: { steps: 2 } };
  for await (const { step } of on.train(generator, settings)) if (step === 1) break;
  const resumed = await startedFrom('generator');
  await resumed.fit(generator, { ...settings, generator: presets.smoke.generator.generator });
  assert.deepEqual(resumed.model(generator).classes, ['cats', 'dogs']);
  assert.equal(resumed.model(generator).generator.config.width, 16, "the model's sizes, not the default ones");
  assert.deepEqual(await valuesOf(resumed.pixelTokenizer()), await valuesOf(run.pixelTokenizer()));
  assert.equal((await generate(await startedFrom('generator'), 'cats')).length, 1);
  const described = await exportModel(resumed, join(folder, 'on.safetensors'));
  assert.deepEqual(described.commands, ['titok quickstart'], 'those of the model that it began from');
  assert.deepEqual(
    described.figures.map(({ name }) => name),
    ['tokenizer', 'generator'],
  );
  await exportModel(run, from, { precision: 'int8' });
  await assert.rejects(async () => {
    for await (const _ of (await startedFrom('generator')).train(generator, { steps: 4 }));
  }, /expected a training with the run's tokenizer, got one with another tokenizer\. Train again with --overwrite\./);
});

test('--from: a model without what is needed is refused', async () => {
  const attempt = async (settings: object) => {
    for await (const _ of (await startedFrom('none')).train(generator, settings));
  };
  await assert.rejects(
    attempt({ from: join(folder, 'alone.safetensors') }),
    /expected a generator, got a tokenizer alone/,
  );
  const other = join(folder, 'other.safetensors');
  writeSafetensors(other, { a: { shape: [1], data: Float32Array.of(1) } });
  await assert.rejects(
    attempt({ from: other }),
    /expected a model that titok export wrote, or published weights .*, got tensors named a, …/,
  );
  await assert.rejects(attempt({ from: 'nothing' }), { name: 'OptionError', message: /^model: expected a file/ });
});
