/** Published models on the command line: by name from a hub, and by path. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Rng } from '../../core/index.ts';
import { decodeImage, writePng, writeSafetensors } from '../../data/index.ts';
import { Teacher } from '../../titok/index.ts';
import {
  containers,
  generators,
  generatorTensors,
  randomTensors,
  tokenizers,
  tokenizerTensors,
} from '../train/published-forms.ts';
import { oldTorchFile, writeTorchFile } from '../train/torch-writer.ts';
import { titok, workIn } from './command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'titok-published-'));
after(() => rmSync(folder, { recursive: true, force: true }));
workIn(folder);
await writePng('x.png', { width: 8, height: 8, data: Uint8Array.from({ length: 192 }, (_, i) => (i * 37) % 256) });

/** A hub that has the files below `hub/`: hub/o/tokenizer_x/model.safetensors. */
const commit = 'a'.repeat(40);
const asked: string[] = [];
const server = createServer(({ method, url = '' }, response) => {
  asked.push(`${method} ${url}`);
  const path = join('hub', url.replace('/resolve/main/', '/'));
  if (!existsSync(path) || !statSync(path).isFile()) {
    const known = existsSync(join('hub', ...url.split('/').slice(1, 3)));
    response.writeHead(404, { 'x-error-code': known ? 'EntryNotFound' : 'RepoNotFound' }).end();
    return;
  }
  const bytes = readFileSync(path);
  const etag = createHash('sha256').update(bytes).digest('hex');
  response.writeHead(200, { etag: `"${etag}"`, 'x-repo-commit': commit, 'content-length': bytes.length });
  response.end(method === 'HEAD' ? undefined : bytes);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => server.close());
process.env['HF_ENDPOINT'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
process.env['HF_HOME'] = join(folder, 'home');

const inHub = (name: string) => join(folder, 'hub', 'o', name);
const { 'a hub folder': hubFolder, 'a sharded folder': sharded, 'a .bin of PyTorch, with YAML': bin } = containers;
hubFolder(inHub('tokenizer_x'), tokenizerTensors(generators.UViT), generators.UViT);
sharded(inHub('generator_x'), generatorTensors(generators.UViT), generators.UViT);
hubFolder(inHub('vae'), tokenizerTensors(tokenizers['single stage, VAE']), tokenizers['single stage, VAE']);

test('a tokenizer by its name: fetched once, then reconstruct, tokenize and info', async (t) => {
  const of = ['--model', 'o/tokenizer_x'];
  const { status, out, err } = await titok(t, 'reconstruct', 'x.png', ...of);
  assert.deepEqual([status, out.split('\n')[1]], [0, 'reconstructed.png']);
  assert.match(err, /^model o\/tokenizer_x: 8 × 8 pixels in 3 tokens of 9 codes$/);
  assert.ok(asked.includes('GET /o/tokenizer_x/resolve/main/model.safetensors'));
  asked.length = 0;
  const tokens = JSON.parse((await titok(t, 'tokenize', 'x.png', ...of)).out);
  assert.equal(tokens.tokens.length, 3);
  assert.ok(asked.every((request) => request.startsWith('HEAD')));
  const info = await titok(t, 'info', 'o/tokenizer_x', '--tensors');
  assert.match(info.out, /published weights of a TiTok\n {2}model +\d+ tensors {2}[\d,]+ values\n/);
  assert.match(info.out, /\n {4}latent_tokens \[3, 16\] F32\n/);
});

test('a generator by its name: with its tokenizer, official settings, classes by name or number', async (t) => {
  const of = ['--model', 'o/generator_x', '--count', '2'];
  const { status, out, err } = await titok(t, 'sample', ...of, '--class', 'Carassius auratus', '--output', 'a.png');
  assert.deepEqual([status, out], [0, 'a.png']);
  assert.match(err, /tokens of 9 codes, 1000 classes$/);
  await titok(t, 'sample', ...of, '--class', '1', '--output', 'b.png', '--batch-size', '1');
  const [a, b] = [await decodeImage('a.png'), await decodeImage('b.png')];
  assert.deepEqual(b.data.length, a.data.length);
  const wrong = await titok(t, 'sample', ...of, '--class', 'gold fish');
  assert.match(
    wrong.err,
    /--class: expected one of 'tench, Tinca tinca', .*, … \(1000 in all, also by number from 0\), got 'gold fish'/,
  );
});

test('trainings go on from models by their names; their runs know them later', async (t) => {
  for (const name of ['0', '1', '2', '3', '4', '5']) {
    mkdirSync('pictures', { recursive: true });
    await writePng(`pictures/${name}.png`, { width: 8, height: 8, data: new Uint8Array(192).fill(40 * Number(name)) });
  }
  const of = ['--name', 'mine', '--data', 'pictures', '--steps', '1', '--batch-size', '2', '--threads', '1'];
  const other = join(folder, 'other home');
  process.env['HF_HOME'] = other;
  after(() => (process.env['HF_HOME'] = join(folder, 'home')));
  const trained = await titok(t, 'train', 'single', ...of, '--from', 'o/tokenizer_x', '--weights-perceptual', '0');
  assert.equal(trained.status, 0, trained.err);
  assert.match(trained.out, /\nFetching model\.safetensors of o\/tokenizer_x: [\d.]+ MB\n/);
  const drawing = await titok(t, 'train', 'generator', ...of, '--from', 'o/generator_x');
  assert.equal(drawing.status, 0, drawing.err);
  assert.equal((await titok(t, 'reconstruct', 'x.png', '--name', 'mine')).status, 0);
  const none = await titok(t, 'train', 'single', '--name', 'none', '--data', 'pictures', '--from', 'o/none');
  assert.match(none.err, /^o\/none: expected a file, a folder or a repository on the hub/);
  assert.ok(!existsSync('runs/none'));
});

test('any number of pictures, each in a file of its own; they do not depend on the batch size', async (t) => {
  const of = ['--model', 'o/generator_x', '--class', '207', '--steps', '2'];
  const { status, out } = await titok(t, 'sample', ...of, '--count', '260', '--folder', 'many');
  assert.deepEqual([status, out], [0, 'many: 260 pictures, 000000.png to 000259.png']);
  assert.equal(readdirSync('many').length, 260);
  await titok(t, 'sample', ...of, '--count', '260', '--folder', 'again', '--batch-size', '7');
  for (const name of ['000000.png', '000259.png'])
    assert.deepEqual((await decodeImage(join('again', name))).data, (await decodeImage(join('many', name))).data, name);
  const full = await titok(t, 'sample', ...of, '--folder', 'again');
  assert.match(full.err, /\n--folder: expected a new or an empty folder, got again, which holds other files\.$/);
  const both = await titok(t, 'sample', ...of, '--folder', 'a', '--output', 'b.png');
  assert.equal(both.err, '--folder: expected one of --output and --folder, got both. Choose one.');
});

test('a VAE: latents in place of ids; it has no generator', async (t) => {
  const { out } = await titok(t, 'tokenize', 'x.png', '--model', 'o/vae');
  const { latents } = JSON.parse(out) as { latents: number[][] };
  assert.deepEqual([latents.length, latents[0].length], [3, 4]);
  assert.equal((await titok(t, 'reconstruct', 'x.png', '--model', 'o/vae')).status, 0);
  assert.match((await titok(t, 'sample', '--model', 'o/vae')).err, /expected a generator, got a tokenizer alone/);
});

test('a .bin with YAML; the teacher; a checkpoint in whatever it comes', async (t) => {
  const config = tokenizers['stage 2'];
  const { model, config: yaml } = bin(join(folder, 'pt'), tokenizerTensors(config), config);
  for (const option of ['--model', '--checkpoint']) {
    const { status, out } = await titok(t, 'tokenize', 'x.png', option, model, '--config', yaml!);
    assert.deepEqual([status, JSON.parse(out).tokens.length], [0, 3]);
  }
  const vqgan = {
    kind: 'vqgan',
    hiddenChannels: 32,
    channelMult: [1, 1, 1, 1, 1],
    resBlocks: 1,
    zChannels: 6,
    codebookSize: 10,
  } as const;
  writeTorchFile('maskgit-vqgan.bin', randomTensors(new Teacher(vqgan, new Rng(0)), 3));
  const { out, err } = await titok(t, 'tokenize', 'x.png', '--model', 'maskgit-vqgan.bin');
  assert.equal(err, 'teacher maskgit-vqgan.bin: 256 × 256 pixels in 256 codes of 10');
  assert.equal(JSON.parse(out).tokens.length, 256);
  for (const [words, message] of [
    [['--model', 'maskgit-vqgan.bin', '--preset', 's128'], '--preset: expected weights that it has an effect on, got the teacher in maskgit-vqgan.bin, whose tensors say all. Leave it out.'],
    [['--checkpoint', model, '--config', yaml!, '--tokenizer', model], `--tokenizer: expected weights that it has an effect on, got the tokenizer in ${model}. Leave it out.`],
    [['--model', model, '--config', yaml!, '--tokenizer', model], `--tokenizer: expected a generator beside it, got ${model}. Leave it out.`],
  ] as const) // biome-ignore format: one thought
    assert.equal((await titok(t, 'tokenize', 'x.png', ...words)).err, message);
  assert.match(
    (await titok(t, 'info', 'maskgit-vqgan.bin')).out,
    /published weights of a MaskGIT-VQGAN, the teacher\n/,
  );
});

test('what is not there, or of another kind', async (t) => {
  const fails = async (model: string, message: RegExp) => {
    const { status, err } = await titok(t, 'tokenize', 'x.png', '--model', model);
    assert.equal(status, 1, model);
    assert.match(err, message);
  };
  await fails('o/none', /^o\/none: expected a file, a folder or a repository on the hub, got none of that name\./);
  await fails('hub/none', /^hub\/none: expected a readable file of weights, got ENOENT/);
  writeSafetensors(join(inHub('tokenizer_x'), 'other.safetensors'), {
    weight: { shape: [1], data: new Float32Array(1) },
  });
  await fails('o/tokenizer_x/other.safetensors', /or published weights of a TiTok .*got tensors named weight, …/);
  writeFileSync('old.pt', oldTorchFile({ weight: { shape: [1], data: new Float32Array(1) } }));
  await fails('./old.pt', /or published weights of a TiTok .*got tensors named weight, …/);
  writeFileSync('x.npz', `PK\x03\x04${'\0'.repeat(26)}arr_0.npy`, 'latin1');
  await fails('x.npz', /got a NumPy archive\. Convert it to safetensors/);
});
