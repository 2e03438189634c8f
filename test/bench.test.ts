/** Every benchmark runs, and both sides compute the same results. Times are not tested. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { barChart } from '../bench/chart.ts';
import { findingsOf, lineOf } from '../bench/devices.ts';
import { figureOf, ratioOf, sampleCalls } from '../bench/measure.ts';
import { addToReport } from '../bench/report.ts';
import { values } from '../bench/values.ts';
import { find, parts } from '../tools/devices/report.ts';
import { goldenSource } from '../tools/golden/folder.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
type Row = Record<string, unknown>;

function bench(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr, rows: () => stdout.trim().split('\n').map((line) => JSON.parse(line) as Row) }; // biome-ignore format: one thought
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

test('devices: adapter, golden values, product and step of a device, or why there are none', async () => {
  const golden = [goldenSource(join(root, 'test/golden/adamw.safetensors'))];
  const losses: number[] = [];
  for (const device of ['cpu', 'reference']) {
    const [open, values, product, step] = await inOrder(parts, (part) => find(part, device, golden, { quick: true }));
    assert.match((open as { adapter: string }).adapter, /\d cores$/);
    const { golden: figures } = values as { golden: { compared: number; misses: number; worst: number } };
    assert.ok(figures.compared > 100 && figures.misses === 0 && figures.worst < 1e-4, JSON.stringify(values));
    assert.ok((product as { gflops: number }).gflops > 0, JSON.stringify(product));
    const { stepMs, loss } = step as { stepMs: number; loss: number };
    assert.ok(stepMs > 0);
    losses.push(loss);
  }
  assert.ok(Math.abs(losses[0] - losses[1]) < 1e-4, `${losses}`);
  const absent = await find('step', 'webgl2', golden, { quick: true });
  assert.deepEqual(absent, { part: 'step', failed: 'webgl2: expected a browser with WebGL 2, got none. In Node use webgpu or headlessgl.' }); // biome-ignore format: one thought
});

test('devices: one that ends its process is a row with what was found before', async () => {
  const program = `console.log('{"adapter":"a GPU"}'); console.error('driver error'); process.kill(process.pid, 'SIGSEGV')`;
  assert.deepEqual(await findingsOf(['-e', program]), [
    { adapter: 'a GPU' },
    { part: 'process', failed: 'signal SIGSEGV driver error' },
  ]);
  const row = { bench: 'devices', device: 'webgpu', where: 'Node' };
  assert.match(lineOf(row, { adapter: 'a GPU' }), /^webgpu +Node +– +– +– +a GPU$/);
  const wrong = { compared: 9, misses: 2, worst: 0.5, first: 'out/y: 1 instead of 2' };
  assert.match(
    lineOf(row, { golden: wrong, gflops: 1234.5 }),
    /^webgpu +Node +7\/9 results ±5e-1 +1234\.5 GFLOP\/s +–\n {4}out\/y: 1 instead of 2$/,
  );
});

/** One after another. */
async function inOrder<A, B>(items: readonly A[], f: (item: A) => Promise<B>): Promise<B[]> {
  const results: B[] = [];
  for (const item of items) results.push(await f(item));
  return results;
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

test('without torch, or with a slow one, a row says why there is no ratio', () => {
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

test('beside a peer, a row has both times, their ratio and the difference of the results', () => {
  // Our own workload plays PyTorch. $2 is the case.
  const script = `exec '${process.execPath}' --import tsx '${join(root, 'bench/workloads/ops.ts')}' "$2"`;
  withPython(script, (python) => {
    const { status, stderr, rows } = bench(quick('ops'), { BENCH_PYTHON: python });
    assert.equal(status, 0, stderr);
    const [row] = rows();
    assert.equal(row['difference'], 0);
    for (const key of ['ms', 'peerMs', 'ratio', 'peakRssMiB', 'peerPeakRssMiB'])
      assert.ok((row[key] as number) > 0, key);
    assert.equal(row['floor'], 1);
  });
});

test('sides with different results are not compared', () => {
  const hello = JSON.stringify({ name: 'torch', version: '1', blas: 'openblas', check: [1, 2], parameters: 0 });
  withPython(`echo '${hello}'; cat > /dev/null`, (python) => {
    const { status, stderr } = bench(quick('ops'), { BENCH_PYTHON: python });
    assert.notEqual(status, 0);
    assert.match(stderr, /expected titok-ts and torch to compute the same/);
  });
});

test('help lists the benchmarks and options; wrong ones get a suggestion', () => {
  const help = bench(['--help']);
  assert.equal(help.status, 0);
  for (const word of ['gemm', 'scaling', 'devices', 'report', '--threads', '--json', '--quick'])
    assert.ok(help.stdout.includes(word));
  assert.match(
    bench(['stpe']).stderr,
    /^bench: expected report or some of .*, got 'stpe' \(did you mean 'step'\?\)\.$/m,
  );
  assert.match(
    bench(['ops', '--threads', 'two']).stderr,
    /^--threads: expected a whole number from 1 to \d+, got 'two'\.$/m,
  );
  assert.match(
    bench(['ops', '--thread', '2']).stderr,
    /^bench: unknown option '--thread'\. Did you mean --threads\?$/m,
  );
  assert.match(bench(['report', '--quick']).stderr, /^bench report: expected no --quick/m);
});

test('weights and inputs are the same in TypeScript and Python', () => {
  const close = (name: string, shape: number[], expected: number[]) =>
    assert.deepEqual(Array.from(values(name, shape)), Array.from(Float32Array.from(expected)));
  // python3: from serve import values; values('x', (3,)), values('a.weight', (2, 2)), values('ln.weight', (2,))
  close('x', [3], [-0.0629975572, -0.0454712138, -0.00995689444]);
  close('a.weight', [2, 2], [0.51736331, 0.205058366, -0.868167341, 0.724740505]);
  close('ln.weight', [2], [0.918900013, 1.02248061]);
});

test('medians, spreads and ratios', () => {
  assert.deepEqual(figureOf([4, 1, 3, 2, 5]), { median: 3, spread: 2 / 3 });
  assert.equal(ratioOf([2, 4, 9], [1, 2, 3]).median, 2); // median of 2, 2, 3
});

test('sampleCalls returns milliseconds per call', async () => {
  const busy = (ms: number) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  const { median } = figureOf(await sampleCalls(() => busy(5), 0.05));
  assert.ok(median >= 5 && median < 50, `${median} ms`);
});

test('the report keeps the figures of other benchmarks', () => {
  const folder = mkdtempSync(join(tmpdir(), 'titok-report-'));
  try {
    const shared = {
      threads: 2,
      ms: 100,
      spread: 0.1,
      peerMs: 80,
      peerSpread: 0.05,
      peerVersion: '1.13',
      memoryRatio: 0.5,
      floor: 1.4,
    };
    const step = { ...shared, bench: 'step', label: 'a step', peer: 'torch', ratio: 1.25, ratioSpread: 0.02 };
    const block = { ...shared, bench: 'peers', label: 'block', peer: 'jax', speedup: 6, speedupSpread: 0.1 };
    const read = (file: string) => readFileSync(join(folder, file), 'utf8');
    addToReport(folder, { step: [step] });
    assert.match(read('performance.md'), /^\d+ × .*; Node v.*; \d{4}-\d\d-\d\d\.$/m);
    const { step: measured } = JSON.parse(read('performance.json'));
    writeFileSync(join(folder, 'performance.json'), JSON.stringify({ step: { ...measured, machine: 'an abacus' } }));
    addToReport(folder, { peers: [block] });
    assert.match(read('performance.md'), /^- `step`: an abacus; Node .*\n- `peers`: \d+ × /m);
    assert.match(read('performance.md'), /^\| a step \| 2 \| 100 ±10 % \| 80 ±5 % \| \*\*1\.25\*\* ±2 % \|/m);
    assert.match(read('performance.md'), /^\| block \| 2 \| 100 ±10 % \| jax \| 80 ±5 % \| \*\*6\.00\*\* ±10 % \|$/m);
    assert.match(read('performance.md'), /torch 1\.13, jax 1\.13/);
    assert.doesNotMatch(read('performance.md'), /floor|1\.4/);
    assert.equal(JSON.parse(read('performance.json')).step.rows[0].floor, 1.4);
    assert.match(read('images/performance-torch.svg'), /a step, 2 thr\./);
    assert.match(read('images/performance-peers.svg'), /block, jax/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a report on damaged figures says so, and leaves them as they are', () => {
  const folder = mkdtempSync(join(tmpdir(), 'titok-bench-'));
  try {
    const path = join(folder, 'performance.json');
    for (const [damaged, got] of [
      ['{"gemm": {', /got .* in JSON/],
      ['[]', /got ✖ Invalid input: expected record, received array/],
      [
        '{"gemm": {"machine": "an abacus", "node": "v20", "date": "2026-01-01"}}',
        /received undefined\n.*at gemm\.rows/,
      ],
    ] as const) {
      writeFileSync(path, damaged);
      assert.throws(
        () => addToReport(folder, { gemm: [] }),
        (error: Error) => {
          assert.ok(error.message.startsWith(`${path}: expected the figures of benchmarks, got `), error.message);
          assert.match(error.message, got);
          return error.message.endsWith('Restore it, or delete it and measure all again.');
        },
      );
      assert.equal(readFileSync(path, 'utf8'), damaged);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the width of a bar is proportional to its value', () => {
  const bar = { label: 'half', value: 0.5, spread: 0 };
  const svg = barChart({ title: 't', axis: 'linear', bars: [bar, { ...bar, value: 1 }] });
  const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)" height="16"/g)];
  assert.equal(widths.length, 2);
  assert.ok(Math.abs(Number(widths[1][1]) / Number(widths[0][1]) - 2) < 0.01);
});
