/** AdamW, clipping, schedules and the weight average, against golden values and plain float64 JavaScript. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memory, Rng, randn, type Tensor, tensor, tensorScope } from '../../core/index.ts';
import {
  AdamW,
  clipCoefficient,
  constantSchedule,
  cosineSchedule,
  decaysWeight,
  Ema,
  emaDecay,
  globalNorm,
} from '../../nn/index.ts';
import { close, Golden } from './golden.ts';

const read = async (t: Tensor): Promise<number[]> => Array.from(await t.data());

test('golden: AdamW with the published grouping, clipping and schedule', async () => {
  using _ = tensorScope();
  const golden = new Golden('adamw');
  const hyper = golden.json<{ lr: number; b1: number; b2: number; wd: number; warm: number; max: number; end: number }>(
    'hyper',
  );
  const decay = golden.json<Record<string, number>>('weight_decay_per_param');
  const names = Object.keys(golden.under('init/'));
  const params = Object.fromEntries(names.map((name) => [name, golden.tensor(`init/${name}`)]));
  for (const name of names) assert.equal(decaysWeight(name, params[name].shape), decay[name] > 0, name);
  const adam = new AdamW({
    params,
    betas: [hyper.b1, hyper.b2],
    weightDecay: hyper.wd,
    maxNorm: Number(golden.metadata['max_grad_norm']),
    eps: Number(golden.metadata['eps']),
  });
  const schedule = cosineSchedule({ lr: hyper.lr, warmupSteps: hyper.warm, totalSteps: hyper.max, endLr: hyper.end });
  for (let t = 0; t < 5; t++) {
    const lr = schedule(t);
    close([lr], [golden.scalar(`step${t}/lr`)], 1e-6, `lr of step ${t}`);
    const grads = Object.fromEntries(names.map((name) => [name, golden.tensor(`step${t}/grad/${name}`)]));
    const norm = adam.step(grads, { lr });
    close(await read(norm), [golden.scalar(`step${t}/grad_norm_before_clip`)], 1e-6, 'norm');
    for (const name of names) {
      close(await read(params[name]), golden.get(`step${t}/param/${name}`).data, 2e-6, `step ${t} ${name}`);
      close(
        await read(adam.exp_avg[name]),
        golden.get(`step${t}/exp_avg/${name}`).data,
        2e-6,
        `step ${t} exp_avg ${name}`,
      );
      close(
        await read(adam.exp_avg_sq[name]),
        golden.get(`step${t}/exp_avg_sq/${name}`).data,
        2e-6,
        `step ${t} exp_avg_sq ${name}`,
      );
    }
  }
});

test('weight decay: matrices, but no norms, biases, embeddings and tokens', () => {
  const still = [
    'ln_1.weight',
    'a.bias',
    'latent_tokens',
    'mask_token',
    'class_embedding',
    'norm1.weight',
    'gamma',
    'patch_embed.weight',
  ];
  for (const name of still) assert.equal(decaysWeight(name, [2, 2]), false, name);
  assert.equal(decaysWeight('lm_head.weight', [2, 2]), true);
  assert.equal(decaysWeight('lm_head.weight', [2]), false);
});

test('AdamW equals its equations in float64', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 7 }),
      fc.integer(),
      fc.double({ min: 0.01, max: 10, noNaN: true }),
      async (size, seed, maxNorm) => {
        using _ = tensorScope();
        const rng = new Rng(seed);
        const [b1, b2, wd, lr, eps] = [0.8, 0.95, 0.1, 0.01, 1e-6];
        const p = randn([size, 2], rng);
        const adam = new AdamW({ params: { w: p }, betas: [b1, b2], weightDecay: wd, lr, eps, maxNorm });
        const want = await read(p);
        const m = want.map(() => 0);
        const v = want.map(() => 0);
        for (let t = 1; t <= 4; t++) {
          const grad = randn([size, 2], rng);
          const g = await read(grad);
          adam.step({ w: grad });
          const clip = Math.min(1, maxNorm / (Math.hypot(...g) + 1e-6));
          for (let i = 0; i < want.length; i++) {
            m[i] = b1 * m[i] + (1 - b1) * clip * g[i];
            v[i] = b2 * v[i] + (1 - b2) * (clip * g[i]) ** 2;
            want[i] = want[i] * (1 - lr * wd) - (lr * (m[i] / (1 - b1 ** t))) / (Math.sqrt(v[i] / (1 - b2 ** t)) + eps);
          }
        }
        close(await read(p), want);
      },
    ),
    { numRuns: 15, seed: 2 },
  );
});

test('AdamW goes on from its saved state as if never stopped', async () => {
  const gradient = (t: number) => ({ w: randn([3, 2], new Rng(100 + t)) });
  const make = () => {
    const w = randn([3, 2], new Rng(1));
    return { w, adam: new AdamW({ params: { w }, lr: 0.1, weightDecay: 0.1, maxNorm: 1 }) };
  };
  const through = make();
  for (let t = 0; t < 4; t++) through.adam.step(gradient(t));
  const first = make();
  for (let t = 0; t < 2; t++) first.adam.step(gradient(t));
  const second = make();
  const { step, tensors } = first.adam.state();
  assert.deepEqual(Object.keys(tensors), ['exp_avg.w', 'exp_avg_sq.w']);
  second.adam.loadState({ step, tensors });
  second.w.assign(await first.w.data());
  for (let t = 2; t < 4; t++) second.adam.step(gradient(t));
  assert.deepEqual(await second.w.data(), await through.w.data());
  assert.throws(() => second.adam.loadState({ step: 1.5, tensors }), /whole number of updates done, got 1\.5/);
});

test('a missing gradient is named; a step leaves nothing but the norm', () => {
  const adam = new AdamW({
    params: { 'a.weight': randn([2, 2], new Rng(1)), 'a.bias': randn([2], new Rng(2)) },
    maxNorm: 1,
  });
  const grads = { 'a.weight': randn([2, 2], new Rng(3)), 'a.bais': randn([2], new Rng(4)) };
  assert.throws(() => adam.step(grads), /expected a gradient for 'a\.bias', got 2 others \(did you mean 'a\.bais'\?\)/);
  assert.equal(adam.updates, 0);
  const before = memory();
  adam.step({ 'a.weight': grads['a.weight'], 'a.bias': grads['a.bais'] }).dispose();
  assert.deepEqual(memory(), before);
});

test('clipping scales to the given norm, and only down', async () => {
  using _ = tensorScope();
  const norm = globalNorm([tensor([3, 0]), tensor([[4]])]);
  close(await read(norm), [5]);
  close(await read(clipCoefficient(norm, 1)), [1 / (5 + 1e-6)]);
  close(await read(clipCoefficient(norm, 7)), [1], 0);
  close(await read(clipCoefficient(norm, Infinity)), [1], 0);
});

test('golden: schedules', () => {
  const golden = new Golden('lr_schedule');
  type Case = { sched?: string; lr: number; warm: number; max: number; end: number };
  for (const [name, { sched = 'cosine', lr, warm, max, end }] of Object.entries(
    golden.json<Record<string, Case>>('cases'),
  )) {
    const schedule =
      sched === 'cosine'
        ? cosineSchedule({ lr, warmupSteps: warm, totalSteps: max, endLr: end })
        : constantSchedule({ lr, warmupSteps: warm });
    const want = golden.get(`${name}/lr`).data;
    const steps = golden.tensors[`${name}/step`]?.data ?? Int32Array.from(want.keys());
    close(Array.from(steps, schedule), want, 1e-6, name);
  }
  assert.equal(cosineSchedule({ lr: 1, warmupSteps: 5, totalSteps: 10 })(0), 0);
  assert.equal(cosineSchedule({ lr: 1, totalSteps: 10 })(0), 1);
});

test('golden: decay of the weight average', () => {
  const golden = new Golden('lr_schedule');
  const steps = golden.get('ema/optimization_step').data;
  close(
    Array.from(steps, (n) => emaDecay(n)),
    golden.get('ema/decay').data,
    1e-6,
  );
});

test('Ema equals its equation, serves evaluation, and gives the weights back', async () => {
  const w = randn([2, 3], new Rng(1));
  const ema = new Ema({ w }, { decay: 0.3 });
  const shadow = await read(w);
  for (let n = 1; n <= 5; n++) {
    const p = Array.from(new Rng(n).normals(6));
    w.assign(p);
    ema.update();
    const d = n === 1 ? 0 : Math.min(0.3, n / (9 + n));
    for (let i = 0; i < 6; i++) shadow[i] = d * shadow[i] + (1 - d) * p[i];
  }
  close(await read(ema.shadow['w']), shadow);
  const own = await read(w);
  const before = memory();
  close(await ema.evaluate(() => read(w)), shadow);
  assert.deepEqual(await read(w), own);
  await assert.rejects(
    ema.evaluate(() => Promise.reject(new Error('stop'))),
    /stop/,
  );
  assert.deepEqual(await read(w), own);
  assert.deepEqual(memory(), before);

  const again = new Ema({ w }, { decay: 0.3 });
  again.loadState(ema.state());
  assert.equal(again.updates, 5);
  assert.deepEqual(await read(again.shadow['w']), await read(ema.shadow['w']));
  again.copyToModel();
  assert.deepEqual(await read(w), await read(ema.shadow['w']));
});
