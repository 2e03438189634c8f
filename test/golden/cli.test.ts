/** npm run golden as other programs use it: JSON lines and exit status. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const golden = (...args: string[]) =>
  spawnSync(process.execPath, ['--import', 'tsx', 'tools/golden/main.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' }, // CI=true asks for colors
  });

/** A folder with copies of some files. */
function folderOf(...names: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'golden-cli-'));
  for (const name of names) copyFileSync(join(root, 'test/golden', `${name}.safetensors`), join(folder, `${name}.safetensors`));
  return folder;
}

test('a passing folder: one JSON line a file, status 0', () => {
  const folder = folderOf('evaluator', 'quantizer');
  writeFileSync(join(folder, 'README.md'), 'not a golden file');
  const { status, stdout } = golden(folder, '--json', '--device', 'reference');
  assert.equal(status, 0);
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ worst, ...rest }) => [rest, worst < 1e-5]),
    [
      [{ file: 'evaluator', device: 'reference', compared: 4, status: 'pass', unsupported: [] }, true],
      [{ file: 'quantizer', device: 'reference', compared: 38, status: 'pass', unsupported: [] }, true],
    ],
  );
});

test('a wrong value and a truncated file fail, and the others still run', () => {
  const folder = folderOf('evaluator', 'lr_schedule', 'quantizer');
  const wrong = join(folder, 'evaluator.safetensors');
  const bytes = readFileSync(wrong);
  const header = Number(bytes.readBigUInt64LE(0));
  bytes.writeFloatLE(42, 8 + header); // the first value of the first tensor in the file
  writeFileSync(wrong, bytes);
  const short = join(folder, 'lr_schedule.safetensors');
  writeFileSync(short, readFileSync(short).subarray(0, 500));
  const { status, stdout } = golden(folder);
  assert.equal(status, 1);
  assert.match(stdout, /fail +evaluator/);
  assert.match(stdout, /fail +lr_schedule/);
  assert.match(stdout, /pass +quantizer/);
  assert.match(stdout, /1 of 3 files without a miss on cpu/);
});

test('requests that make no sense say so, with status 2', () => {
  for (const [args, message] of [
    [[], /golden: expected one file or folder, got 0\. See/],
    [['/nowhere/at/all'], /golden: expected a file or folder, got \/nowhere\/at\/all, which does not exist/],
    [[folderOf()], /golden: expected \.safetensors files, got none/],
    [[folderOf('evaluator'), '--device', 'abacus'], /expected one of .*cpu.* got 'abacus'/],
    [[folderOf('evaluator'), '--jsn'], /golden: unknown option --jsn\. Did you mean --json\?/],
    [[folderOf('evaluator'), '--device'], /golden: option --device <name> argument missing\. See 'npm run golden -- --help'/],
  ] as const) {
    const { status, stderr } = golden(...args);
    assert.equal(status, 2, args.join(' '));
    assert.match(stderr, message);
  }
});

test('--browser without Chromium says what to install', () => {
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'tools/golden/main.ts', folderOf('evaluator'), '--browser'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, CHROMIUM: '/nowhere/chromium' },
  });
  assert.equal(status, 2);
  assert.match(stderr, /golden --browser: expected Chromium at \/nowhere\/chromium, got none\. Install it/);
});

test('a path may be one file, and --help tells the options', () => {
  const file = join(folderOf('evaluator', 'quantizer'), 'evaluator.safetensors');
  const { status, stdout } = golden(file);
  assert.equal(status, 0);
  assert.match(stdout, /1 of 1 files without a miss on cpu/);
  const help = golden('--help');
  assert.equal(help.status, 0);
  assert.match(help.stdout, /Usage: npm run golden -- PATH.*--device <name>.*--browser.*--json/s);
});
