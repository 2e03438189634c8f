/** The block and the model against a copy in PyTorch: outputs and gradients. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  defaultDevice,
  grad,
  openDevice,
  Rng,
  type Shape,
  setDefaultDevice,
  type Tensor,
  tensor,
  tensorScope,
} from '../../core/index.ts';
import { DiT, DiTBlock } from '../../diffusion/index.ts';
import { loadStateDict, stateDict } from '../../nn/index.ts';

interface Saved {
  readonly shape: Shape;
  readonly data: readonly number[];
}
interface Case {
  readonly state: Readonly<Record<string, Saved>>;
  readonly inputs: Readonly<Record<string, Saved>>;
  readonly y: Saved;
  readonly pull: Saved;
  readonly gradients: Readonly<Record<string, Saved>>;
}

/** Debian's Python, which has python3-torch, even if PATH finds another Python first. */
const python = process.env['BENCH_PYTHON'] ?? '/usr/bin/python3';
const script = fileURLToPath(new URL('./pytorch.py', import.meta.url));
const { status, stdout, stderr, error } = spawnSync(python, [script], { encoding: 'utf8', maxBuffer: 1e8 });
const absent = error !== undefined || /No module named '(torch|numpy)'/.test(stderr);
const skip = absent && 'torch is not installed; Debian: apt install python3-torch';
const cases = status === 0 ? (JSON.parse(stdout) as Record<'block' | 'dit', Case>) : undefined;

test('the PyTorch script runs', { skip }, () => assert.equal(status, 0, stderr));

const models = {
  block: () => {
    const block = new DiTBlock(16, 2, 24, new Rng(0));
    return { model: block, run: ([x, c]: Tensor[]) => block.forward(x, c) };
  },
  dit: () => {
    const config = {
      channels: 3,
      gridSize: 4,
      patchSize: 2,
      classes: 5,
      width: 16,
      layers: 2,
      heads: 2,
      mlpWidth: 24,
      prediction: 'noise',
    } as const;
    const model = new DiT(config, new Rng(0));
    return { model, run: ([x]: Tensor[]) => model.forward(x, [0, 731], [5, 2]) };
  },
};

for (const name of ['block', 'dit'] as const) {
  for (const device of ['reference', 'cpu']) {
    test(`${name} on ${device}: output and gradients are PyTorch's, to 1e-5`, { skip }, async () => {
      const { state, inputs, y, pull, gradients } = cases![name];
      const before = defaultDevice();
      setDefaultDevice(await openDevice(device));
      try {
        using _ = tensorScope();
        const { model, run } = models[name]();
        loadStateDict(model, state);
        const given = Object.values(inputs).map(({ data, shape }) => tensor(data, shape));
        const out = run(given);
        await close(out, y, 'y');
        const params = stateDict(model);
        const wrt = { ...params, ...Object.fromEntries(Object.keys(inputs).map((key, i) => [key, given[i]])) };
        assert.deepEqual(Object.keys(wrt).sort(), Object.keys(gradients).sort());
        const grads = grad(out, Object.values(wrt), { seed: tensor(pull.data, pull.shape) });
        for (const [i, key] of Object.keys(wrt).entries()) await close(grads[i], gradients[key], key);
      } finally {
        setDefaultDevice(before);
      }
    });
  }
}

/** To 1e-5 of the largest value. */
async function close(actual: Tensor, expected: Saved, what: string): Promise<void> {
  assert.deepEqual(actual.shape, expected.shape, what);
  const values = await actual.data();
  const largest = expected.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  for (const [i, value] of expected.data.entries())
    assert.ok(Math.abs(values[i] - value) <= 1e-5 * largest, `${what}[${i}]: expected ${value}, got ${values[i]}`);
}
