/** Sampling: DDIM inverts the forward process, η = 1 is DDPM, and guidance is what its formula says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultDevice, Rng, type Tensor, tensor } from '../../core/index.ts';
import {
  type Denoiser,
  DiT,
  denoise,
  noiseSchedule,
  noiseSchedules,
  type Prediction,
  predictions,
  sampleLatents,
  samplingTimes,
} from '../../diffusion/index.ts';
import { stateDict } from '../../nn/index.ts';

const config = { channels: 2, gridSize: 2, classes: 3, prediction: 'noise' } as const;

/** Predicts f(x value, time, label, index), value by value. */
const denoiser = (
  f: (x: number, t: number, label: number, i: number) => number,
  prediction: Prediction = 'noise',
): Denoiser => ({
  config: { ...config, prediction },
  device: defaultDevice(),
  forward(x: Tensor, times: ArrayLike<number>, labels: ArrayLike<number>) {
    const width = x.size / x.shape[0];
    const values = x.dataSync();
    return tensor(
      Float32Array.from(values, (value, i) => {
        const row = Math.floor(i / width);
        return f(value, times[row], labels[row], i % width);
      }),
      x.shape,
    );
  },
});

test('DDIM with the exact noise or velocity finds the latents that the forward process began from', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...noiseSchedules),
      fc.constantFrom(...predictions),
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.float({ min: -3, max: 3, noNaN: true }), { minLength: 8, maxLength: 8 }),
      fc.nat(),
      async (name, prediction, steps, latents, seed) => {
        const schedule = noiseSchedule(name, 100);
        const exact = denoiser((x, t, _, i) => {
          const a = schedule.alphaBars[t];
          const noise = (x - Math.sqrt(a) * latents[i]) / Math.sqrt(1 - a);
          return prediction === 'noise' ? noise : Math.sqrt(a) * noise - Math.sqrt(1 - a) * latents[i];
        }, prediction);
        const found = await sampleLatents(exact, schedule, [0], { steps }, new Rng(seed));
        // the first step divides float32 rounding by √ᾱ, which the cosine leaves nearly nothing of
        for (const [i, value] of latents.entries())
          assert.ok(Math.abs(found[i] - value) < 5e-3, `${found[i]}, ${value}`);
      },
    ),
    { numRuns: 40, seed: 1 },
  );
});

test('one step to any earlier time keeps x on the path of its latents and its noise', () => {
  const { alphaBars } = noiseSchedule('cosine');
  const at = (t: number) => Math.sqrt(alphaBars[t]) * 0.7 + Math.sqrt(1 - alphaBars[t]) * -1.3;
  for (const [from, to] of [
    [900, 899],
    [900, 10],
    [400, 399],
  ]) {
    const x = Float32Array.of(at(from));
    denoise(x, [-1.3], alphaBars[from], alphaBars[to]);
    assert.ok(Math.abs(x[0] - at(to)) < 1e-5);
  }
});

test('η = 1 from each time to the one before is the posterior of DDPM', () => {
  const { alphaBars, betas } = noiseSchedule('linear');
  for (const t of [1, 50, 999]) {
    const [a, before, beta] = [alphaBars[t], alphaBars[t - 1], betas[t]];
    const [x, noise] = [0.8, -0.4];
    const clean = (x - Math.sqrt(1 - a) * noise) / Math.sqrt(a);
    // Ho et al. 2020, eq. 7
    const mean = (Math.sqrt(before) * beta * clean + Math.sqrt(1 - beta) * (1 - before) * x) / (1 - a);
    const deviation = Math.sqrt((beta * (1 - before)) / (1 - a));
    for (const z of [0, 1.5]) {
      const values = Float32Array.of(x);
      denoise(values, [noise], a, before, 1, [z]);
      assert.ok(Math.abs(values[0] - (mean + z * deviation)) < 1e-5, `${t}: ${values[0]}`);
    }
  }
});

const schedule = noiseSchedule('linear');
function trained(): DiT {
  const rng = new Rng(4);
  const model = new DiT({ ...config, patchSize: 1, width: 8, layers: 1, heads: 2, mlpWidth: 8 }, rng);
  for (const p of Object.values(stateDict(model))) p.assign(rng.normals(p.size).map((x) => x * 0.3));
  return model;
}

test('guidance 1 is the conditional model, 0 the one without a class, and none of them is the other', async () => {
  const model = trained();
  const draw = (labels: number[], guidanceScale?: number) =>
    sampleLatents(
      model,
      schedule,
      labels,
      { steps: 5, ...(guidanceScale !== undefined && { guidanceScale }) },
      new Rng(1),
    );
  const calls: number[][] = [];
  const seen: Denoiser = {
    config,
    device: model.device,
    forward(x, t, labels) {
      calls.push(Array.from(labels));
      return model.forward(x, t, labels);
    },
  };
  const conditional = await sampleLatents(seen, schedule, [1, 2], { steps: 5, guidanceScale: 1 }, new Rng(1));
  assert.deepEqual(calls, new Array(5).fill([1, 2])); // "no class" is not asked for
  assert.deepEqual(await draw([1, 2]), conditional);
  const none = await draw([3, 3]);
  const unconditional = await draw([1, 2], 0);
  for (const [i, value] of none.entries()) assert.ok(Math.abs(value - unconditional[i]) < 1e-4);
  assert.ok(conditional.some((value, i) => Math.abs(value - none[i]) > 1e-3));
});

test('guidance w predicts u + w (c − u)', async () => {
  const [c, u] = [0.3, -0.1];
  const model = denoiser((_, __, label) => (label === 3 ? u : c));
  for (const guidanceScale of [0, 0.5, 1, 2, 7.5]) {
    const found = await sampleLatents(model, schedule, [0], { steps: 1, guidanceScale }, new Rng(2));
    const [x, a] = [new Rng(2).normals(8), schedule.alphaBars[999]];
    const noise = u + guidanceScale * (c - u);
    for (const [i, value] of found.entries()) {
      const expected = (x[i] - Math.sqrt(1 - a) * noise) / Math.sqrt(a);
      assert.ok(Math.abs(value - expected) < 1e-3 * Math.abs(expected) + 1e-3, `${value}, ${expected}`);
    }
  }
});

test('samples do not depend on how many are drawn at once; progress counts them', async () => {
  const model = trained();
  const labels = [0, 1, 2, 3, 0];
  for (const eta of [0, 1]) {
    const options = { steps: 4, guidanceScale: 2, eta };
    const whole = await sampleLatents(model, schedule, labels, options, new Rng(3));
    const seen: number[][] = [];
    const onProgress = (done: number, total: number) => seen.push([done, total]);
    const parts = await sampleLatents(model, schedule, labels, options, new Rng(3), { rowsAtOnce: 2, onProgress });
    for (const [i, value] of whole.entries()) assert.ok(Math.abs(value - parts[i]) < 1e-3 * (1 + Math.abs(value)));
    assert.deepEqual(seen.slice(0, 3), [[2, 20], [4, 20], [5, 20]]); // biome-ignore format: a list
    assert.deepEqual(seen.at(-1), [20, 20]);
  }
});

test('times, steps out of range, and weights that are damaged', async () => {
  assert.deepEqual(samplingTimes(1000, 5), [999, 749, 500, 250, 0]);
  assert.deepEqual(samplingTimes(50, 1), [49]);
  assert.deepEqual(
    samplingTimes(30, 30),
    Array.from({ length: 30 }, (_, i) => 29 - i),
  );
  for (const steps of [0, 2.5, 1001]) {
    await assert.rejects(sampleLatents(trained(), schedule, [0], { steps }, new Rng(0)), {
      name: 'OptionError',
      message: `steps: expected a whole number from 1 to 1000, got ${steps}.`,
    });
  }
  await assert.rejects(
    sampleLatents(
      denoiser(() => Number.NaN),
      schedule,
      [0],
      { steps: 2 },
      new Rng(0),
    ),
    {
      name: 'NonFiniteError',
      message: 'sampleLatents: expected finite predictions, got NaN at time 999. Are the weights damaged?',
    },
  );
});

test('options that no sampling can have are refused, before the model is asked', async () => {
  const never = denoiser(() => assert.fail('asked'));
  const draw = (options: object, work = {}) => sampleLatents(never, schedule, [0], options, new Rng(0), work);
  for (const options of [
    { guidanceScale: Number.NaN },
    { guidanceScale: Infinity },
    { eta: -0.1 },
    { eta: 1.5 },
    { eta: Number.NaN },
    { step: 4 },
  ])
    await assert.rejects(draw(options), { name: 'OptionError' }, JSON.stringify(options));
  for (const rowsAtOnce of [0, -1, 0.5, Number.NaN])
    await assert.rejects(draw({}, { rowsAtOnce }), { name: 'OptionError', message: /rowsAtOnce/ });
  await assert.rejects(draw({}, { rowsatonce: 1 }), {
    name: 'OptionError',
    message: /^sampleLatents, work: expected options rowsAtOnce, onProgress, got 'rowsatonce'/,
  });
});
