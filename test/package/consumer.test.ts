/** A project that installs the packed package: the README's training program is killed, continues, and writes pictures. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { logged, writePictures } from '../cli/command-line.ts';
import { problemsOf } from './problems.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'titok-consumer-'));
after(() => rmSync(project, { recursive: true, force: true }));

function npm(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('npm', [...args, '--no-audit', '--no-fund', '--prefer-offline'], {
    cwd,
    encoding: 'utf8',
    timeout: 180_000,
    shell: process.platform === 'win32',
  });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

/** The package as npm publishes it. */
const tarball = () => join(project, readdirSync(project).find((file) => file.endsWith('.tgz'))!);

/** The README's program, in sizes that train in seconds. */
function program(): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  const code = blocks.find((block) => block.includes('openRun('));
  assert.ok(code, 'README.md has a training program');
  const half = '{ width: 16, layers: 1, heads: 2 }';
  const few = 'steps: 12, batchSize: 2';
  const replaced = code
    .replace("loadImageFolder('pictures', 32)", "loadImageFolder('pictures', 16)")
    .replace('{ dataset, seed: 0 }', '{ dataset, seed: 0, saveEvery: 2 }')
    .replace(
      'presets.tiny',
      `{
        teacher: { ${few}, imageSize: 16, teacher: { kind: 'lean', stem: [8, 8], dim: 4, codebookSize: 16 } },
        warmup: { ${few}, continuousSteps: 4, model: { imageSize: 16, latentTokens: 4, codebookSize: 16, encoder: ${half}, decoder: ${half} } },
        finetune: { ${few}, weights: { perceptual: 0 } },
        generator: { ${few}, generator: { ...${half}, mlpWidth: 32 }, sampling: { steps: 2 } },
      } as const`,
    )
    .replace('presets, ', '')
    .replace('step % 50 === 0', 'step % 4 === 0');
  for (const part of ['presets', '% 50', ', 32)']) assert.ok(!replaced.includes(part), `${part} was replaced`);
  return replaced;
}

before(async () => {
  npm(root, 'run', 'build');
  npm(root, 'pack', '--pack-destination', project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  npm(project, 'install', tarball());
  await writePictures(join(project, 'pictures'));
  writeFileSync(join(project, 'train.ts'), program());
});

test('an install takes at most 130 MB and compiles nothing', () => {
  const bytes = (path: string): number => {
    const stat = lstatSync(path);
    if (!stat.isDirectory()) return stat.blocks * 512;
    return readdirSync(path).reduce((sum, name) => sum + bytes(join(path, name)), 0);
  };
  const megabytes = bytes(join(project, 'node_modules')) / 1e6;
  assert.ok(megabytes <= 130, `${megabytes.toFixed(0)} MB`);
  assert.ok(!existsSync(join(project, 'node_modules/gl')), 'gl is not installed unasked');
});

test('publint and are-the-types-wrong find nothing; it holds the library alone, and imports what npm installs', async () => {
  assert.deepEqual(await problemsOf(tarball(), join(project, 'node_modules/titok-ts')), []);
});

test("the README's program type-checks against the package's types", () => {
  const options = { module: 'nodenext', target: 'es2022', lib: ['es2023', 'esnext.disposable', 'dom'], strict: true };
  const compilerOptions = { ...options, noEmit: true, skipLibCheck: false, types: [] };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['train.ts'] }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

test('killed in the second stage, the program continues, samples and writes a PNG', { timeout: 180_000 }, async (t) => {
  const start = () => {
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), 'train.ts'], { cwd: project });
    t.after(() => child.kill('SIGKILL'));
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk));
    const ended = new Promise<{ signal: string | null; status: number | null; text: string }>((resolve) =>
      child.on('close', (status, signal) => resolve({ signal, status, text })),
    );
    return { child, ended };
  };
  const run = join(project, 'runs/mine');
  const first = start();
  const timer = setInterval(() => {
    if (existsSync(join(run, 'log.jsonl')) && logged(run, 'warmup').length >= 5) first.child.kill('SIGKILL');
  }, 5);
  timer.unref();
  const killed = await first.ended;
  clearInterval(timer);
  assert.equal(killed.signal, 'SIGKILL', killed.text);

  const { status, text } = await start().ended;
  assert.equal(status, 0, text);
  for (const stage of ['teacher', 'warmup', 'finetune', 'generator']) {
    assert.deepEqual(
      logged(run, stage).map(({ step }) => step),
      Array.from({ length: 12 }, (_, i) => i + 1),
      stage,
    );
  }
  assert.doesNotMatch(text, /^teacher \d/m, 'the finished stage is not trained again');
  assert.doesNotMatch(text, /^warmup 4\//m, 'the killed stage continues from its checkpoint');
  const { width, height } = await sharp(join(project, 'samples.png')).metadata();
  assert.ok(width > 8 * 16 && height > 2 * 16, `${width} × ${height}`);
});

test('titok watch serves the page on the run that the program trained, until Ctrl-C', {
  timeout: 60_000,
}, async (t) => {
  const titok = join(project, 'node_modules/titok-ts/dist/cli/main.js');
  const watch = (port: string) => ['watch', 'mine', '--port', port];
  const child = spawn(process.execPath, [titok, ...watch('0')], { cwd: project });
  t.after(() => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)));
  const line = await new Promise<string>((resolve) =>
    child.stdout.once('data', (chunk: Buffer) => resolve(`${chunk}`)),
  );
  const url = /^http:\/\/127\.0\.0\.1:(\d+)\//.exec(line)!;
  const get = async (path: string) => {
    const answer = await fetch(new URL(path, url[0]));
    assert.equal(answer.status, 200, path);
    return answer;
  };
  const page = await (await get('')).text();
  const { model } = (await (await get('run.json')).json()) as { model: { name: string; file: string; bytes: number } };
  assert.match(model.name, /^mine, generator 12, /);
  const files = [...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, file]) => file);
  assert.ok(files.length >= 2, page);
  for (const file of [...files, 'emoji/wall.json', 'emoji/twemoji-64.webp', 'models/emoji-64.safetensors', 'report/'])
    await get(file);
  assert.equal((await (await get(`models/${model.file}`)).arrayBuffer()).byteLength, model.bytes);
  assert.equal((await fetch(new URL('nothing.js', url[0]))).status, 404);

  const second = spawnSync(process.execPath, [titok, ...watch(url[1])], { cwd: project, encoding: 'utf8' });
  assert.equal(second.status, 1);
  assert.equal(second.stderr, `--port: expected a free port, got ${url[1]} (EADDRINUSE). Name another.\n`);
  child.kill('SIGINT');
  assert.equal(await ended, 'SIGINT');
});
