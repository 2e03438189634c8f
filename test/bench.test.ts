/** The benchmarks run and both sides compute the same; their times are nobody's business here. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { barChart } from '../bench/chart.ts';
import { figureOf, ratioOf } from '../bench/measure.ts';
import { saved, writeReport } from '../bench/report.ts';
import { values } from '../bench/values.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
type Row = Record<string, unknown>;

function bench(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stderr, rows: () => stdout.trim().split('\n').map((line) => JSON.parse(line) as Row) }; // biome-ignore format: one thought
}
const quick = (name: string) => [name, '--quick', '--json', '--threads', '1'];

for (const name of ['gemm', 'ops', 'step', 'sample', 'models', 'peers', 'scaling']) {
  test(`bench ${name} --quick`, (t) => {
    const { status, stderr, rows } = bench(quick(name));
    assert.equal(status, 0, stderr);
    const measured = rows().filter((row) => row['ms'] !== undefined);
    const absent = rows().filter((row) => row['absent']);
    for (const reason of new Set(absent.map((row) => row['absent']))) t.diagnostic(`skip: ${reason}`);
    assert.ok(measured.length + absent.length > 0, 'no rows');
    for (const row of measured) {
      assert.ok((row['ms'] as number) > 0, JSON.stringify(row));
      if (row['peerMs'] === undefined) continue;
      assert.ok(((row['ratio'] ?? row['speedup']) as number) > 0, JSON.stringify(row));
      assert.ok((row['difference'] as number) <= 1e-3, JSON.stringify(row));
    }
  });
}

/** A folder with an executable that stands in for Python. */
function withPython(script: string, use: (path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'titok-bench-'));
  try {
    const path = join(folder, 'python3');
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('without torch, or with a slow one, there is a sentence and no ratio', () => {
  const hello = JSON.stringify({ name: 'torch', version: '1', blas: 'reference', check: [], parameters: 0 });
  const peerOf = (python: string) => bench(quick('ops'), { BENCH_PYTHON: python }).rows()[0];
  withPython(`echo '${hello}'; cat > /dev/null`, (python) => {
    const row = peerOf(python);
    assert.match(String(row['absent']), /reference BLAS.*install libopenblas0-pthread/);
    assert.equal(row['ratio'], undefined);
    assert.ok((row['ms'] as number) > 0);
  });
  assert.match(String(peerOf('/nowhere/python3')['absent']), /not installed.*python3-torch libopenblas0-pthread/);
});

test('sides that compute something else are not compared', () => {
  const hello = JSON.stringify({ name: 'torch', version: '1', blas: 'openblas', check: [1, 2], parameters: 0 });
  withPython(`echo '${hello}'; cat > /dev/null`, (python) => {
    const { status, stderr } = bench(quick('ops'), { BENCH_PYTHON: python });
    assert.notEqual(status, 0);
    assert.match(stderr, /expected titok-ts and torch to compute the same/);
  });
});

test('wrong options are answered', () => {
  assert.match(bench(['stpe']).stderr, /got 'stpe' \(did you mean 'step'\?\)/);
  assert.match(bench(['ops', '--threads', 'two']).stderr, /--threads as a whole number/);
  assert.match(bench(['report', '--quick']).stderr, /no --quick/);
});

test('the same numbers in every language', () => {
  const close = (name: string, shape: number[], expected: number[]) =>
    assert.deepEqual(Array.from(values(name, shape)), Array.from(Float32Array.from(expected)));
  // python3: from serve import values; values('x', (3,)), values('a.weight', (2, 2)), values('ln.weight', (2,))
  close('x', [3], [-0.0629975572, -0.0454712138, -0.00995689444]);
  close('a.weight', [2, 2], [0.51736331, 0.205058366, -0.868167341, 0.724740505]);
  close('ln.weight', [2], [0.918900013, 1.02248061]);
});

test('medians, spreads and ratios', () => {
  assert.deepEqual(figureOf([4, 1, 3, 2, 5]), { median: 3, spread: 2 / 3 });
  assert.equal(ratioOf([2, 4, 9], [1, 2, 3]).median, 2); // 2, 2, 3: the round that disagrees does not count
});

test('the report keeps the figures of other benchmarks', () => {
  const folder = mkdtempSync(join(tmpdir(), 'titok-report-'));
  try {
    const shared = { threads: 2, ms: 100, spread: 0.1, peerMs: 80, peerSpread: 0.05, peerVersion: '1.13' };
    const step = {
      ...shared,
      bench: 'step',
      label: 'a <step>',
      peer: 'torch',
      ratio: 1.25,
      ratioSpread: 0.02,
      floor: 1.4,
    };
    const block = { ...shared, bench: 'peers', label: 'block', peer: 'jax', speedup: 6, speedupSpread: 0.1, floor: 5 };
    writeReport(folder, saved(folder, { step: [step] }));
    writeReport(folder, saved(folder, { peers: [block] }));
    const page = readFileSync(join(folder, 'performance.md'), 'utf8');
    assert.match(page, /^\| a <step> \| 2 \| 100 ±10 % \| 80 ±5 % \| \*\*1\.25\*\* ±2 % \| ≤ 1\.4 \|/m);
    assert.match(page, /^\| block \| 2 \| 100 ±10 % \| jax \| 80 ±5 % \| \*\*6\.00\*\* ±10 % \| ≥ 5 \|$/m);
    assert.match(page, /torch 1\.13, jax 1\.13/);
    assert.match(readFileSync(join(folder, 'images/performance-torch.svg'), 'utf8'), /a &lt;step&gt;, 2 thr\..*/);
    assert.ok(existsSync(join(folder, 'images/performance-peers.svg')));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a bar reaches as far as its value, and shows whether it is enough', () => {
  const bar = { label: 'half', value: 0.5, spread: 0, met: true };
  const svg = barChart({ title: 't', axis: 'linear', bars: [bar, { ...bar, value: 1, met: false }] });
  const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)" height="16" fill="(#\w+)"/g)];
  assert.equal(widths.length, 2);
  assert.ok(Math.abs(Number(widths[1][1]) / Number(widths[0][1]) - 2) < 0.01);
  assert.notEqual(widths[0][2], widths[1][2]);
});
