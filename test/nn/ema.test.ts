/** Learning-rate schedules and the weight average, against golden values and plain float64 JavaScript. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memory, Rng, randn, type Tensor } from '../../core/index.ts';
import { constantSchedule, cosineSchedule, Ema, emaDecay } from '../../nn/index.ts';
import { close, Golden } from './golden.ts';

const read = async (t: Tensor): Promise<number[]> => Array.from(await t.data());

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
    const mirrored = (step: number) => (sched === 'cosine' ? Math.min(step, 2 * max - step) : step); // published: rises again
    close(
      Array.from(steps, (step) => schedule(mirrored(step))),
      want,
      1e-6,
      name,
    );
  }
  assert.equal(cosineSchedule({ lr: 1, warmupSteps: 5, totalSteps: 10 })(0), 0);
  assert.equal(cosineSchedule({ lr: 1, totalSteps: 10 })(0), 1);
});

test('the rate never rises after the warm-up, and holds its last value from the end on', () => {
  const count = fc.nat(40);
  const property = fc.property(count, count, count, fc.double({ min: 0, max: 1, noNaN: true }), (w, T, t, end) => {
    const rate = cosineSchedule({ lr: 1, warmupSteps: w, totalSteps: T, endLr: end });
    assert.equal(rate(T + t), end);
    if (t >= w) assert.ok(rate(t + 1) <= rate(t) + 1e-12, `${rate(t + 1)} after ${rate(t)}`);
  });
  fc.assert(property, { seed: 1 });
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
  again.loadStateDict(ema.stateDict());
  assert.equal(again.updates, 5);
  assert.throws(() => again.loadStateDict({ ...ema.stateDict(), step: -1 }, 'run'), /run: expected a whole number of/);
  assert.deepEqual(await read(again.shadow['w']), await read(ema.shadow['w']));
  again.copyToModel();
  assert.deepEqual(await read(w), await read(ema.shadow['w']));
});
