/** Optimizers and clipping, against golden values, PyTorch and plain float64 JavaScript. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defineUpdate, grad, memory, OptionError, openDevice, Rng, randn, ShapeError, type Tensor, tensor, tensorScope, tidy } from '../../core/index.ts'; // biome-ignore format: a list
import {
  Adam,
  AdamW,
  clipCoefficient,
  clipGradNorm,
  constantSchedule,
  cosineSchedule,
  decaysWeight,
  globalNorm,
  Muon,
  Optimizer,
  type ParameterGroup,
  SGD,
} from '../../nn/index.ts';
import { close, Golden } from './golden.ts';
import { pytorch, tensorsOf } from './pytorch.ts';

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
    eps: Number(golden.metadata['eps']),
  });
  const schedule = cosineSchedule({ lr: hyper.lr, warmupSteps: hyper.warm, totalSteps: hyper.max, endLr: hyper.end });
  for (let t = 0; t < 5; t++) {
    const lr = schedule(t);
    close([lr], [golden.scalar(`step${t}/lr`)], 1e-6, `lr of step ${t}`);
    const grads = Object.fromEntries(names.map((name) => [name, golden.tensor(`step${t}/grad/${name}`)]));
    const norm = globalNorm(Object.values(grads));
    adam.step(grads, { lr, scale: clipCoefficient(norm, Number(golden.metadata['max_grad_norm'])) });
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

for (const deviceName of ['cpu', 'reference', 'webasm']) {
  for (const { name, options, after } of pytorch.optimizers) {
    test(`PyTorch: ${name} ${JSON.stringify(options)}, on ${deviceName}`, async () => {
      using _ = tensorScope();
      const device = await openDevice(deviceName);
      const { weight_decay: weightDecay = 0, ...rest } = options;
      const params = tensorsOf(pytorch.start, device);
      const all = { params, ...rest, weightDecay: weightDecay as number, decays: () => true };
      const optimizer = new { Adam, AdamW, SGD }[name](all);
      for (const grads of pytorch.gradients) optimizer.step(tensorsOf(grads, device));
      for (const [key, { data }] of Object.entries(after)) close(await read(params[key]), data, 1e-6, key);
    });
  }
}

/** The published formulas in float64, one value at a time; `state` is the optimizer's own for this value. */
const formulas = {
  adam: (p: number, g: number, s: State, t: number) => p - 0.01 * moved(g + 0.1 * p, s, t),
  adamw: (p: number, g: number, s: State, t: number) => p * (1 - 0.01 * 0.1) - 0.01 * moved(g, s, t),
  sgd: (p: number, g: number) => p - 0.01 * (g + 0.1 * p),
  momentum(p: number, g: number, s: State) {
    s.m = 0.8 * s.m + g + 0.1 * p;
    return p - 0.01 * s.m;
  },
  nesterov(p: number, g: number, s: State) {
    s.m = 0.8 * s.m + g + 0.1 * p;
    return p - 0.01 * (g + 0.1 * p + 0.8 * s.m);
  },
};
interface State {
  m: number;
  v: number;
}
/** Adam's direction: m̂ / (√v̂ + eps). */
function moved(g: number, s: State, t: number): number {
  s.m = 0.8 * s.m + 0.2 * g;
  s.v = 0.95 * s.v + 0.05 * g * g;
  return s.m / (1 - 0.8 ** t) / (Math.sqrt(s.v / (1 - 0.95 ** t)) + 1e-6);
}
const common = { lr: 0.01, weightDecay: 0.1 };
const adam = { ...common, betas: [0.8, 0.95], eps: 1e-6 } as const;
type Make = (params: Record<string, Tensor>) => Optimizer;
const optimizers: Readonly<Record<keyof typeof formulas, Make>> = {
  adam: (params) => new Adam({ params, ...adam }),
  adamw: (params) => new AdamW({ params, ...adam }),
  sgd: (params) => new SGD({ params, ...common }),
  momentum: (params) => new SGD({ params, ...common, momentum: 0.8 }),
  nesterov: (params) => new SGD({ params, ...common, momentum: 0.8, nesterov: true }),
};

for (const [name, make] of Object.entries(optimizers)) {
  test(`${name} equals its formula in float64, with clipped gradients`, async () => {
    const size = fc.integer({ min: 1, max: 7 });
    const norm = fc.double({ min: 0.01, max: 10, noNaN: true });
    await fc.assert(
      fc.asyncProperty(size, fc.integer(), norm, async (size, seed, maxNorm) => {
        using _ = tensorScope();
        const rng = new Rng(seed);
        const w = randn([size, 2], rng);
        const optimizer = make({ w });
        const want = await read(w);
        const states = want.map(() => ({ m: 0, v: 0 }));
        for (let t = 1; t <= 4; t++) {
          const grads = { w: randn([size, 2], rng) };
          const g = await read(grads.w);
          optimizer.step(grads, { scale: clipCoefficient(globalNorm([grads.w]), maxNorm) });
          const clip = Math.min(1, maxNorm / (Math.hypot(...g) + 1e-6));
          for (const [i, p] of want.entries())
            want[i] = formulas[name as keyof typeof formulas](p, clip * g[i], states[i], t);
        }
        close(await read(w), want);
      }),
      { numRuns: 15, seed: 2 },
    );
  });

  test(`${name} goes on from its saved state as if never stopped`, async () => {
    const gradient = (t: number) => ({ w: randn([3, 2], new Rng(100 + t)), b: randn([2], new Rng(200 + t)) });
    const start = () => {
      const params = { w: randn([3, 2], new Rng(1)), b: randn([2], new Rng(2)) };
      return { params, optimizer: make(params) };
    };
    const [through, first, second] = [start(), start(), start()];
    for (let t = 0; t < 4; t++) through.optimizer.step(gradient(t));
    for (let t = 0; t < 2; t++) first.optimizer.step(gradient(t));
    second.optimizer.loadStateDict(first.optimizer.stateDict());
    second.params.w.assign(first.params.w);
    second.params.b.assign(first.params.b);
    for (let t = 2; t < 4; t++) second.optimizer.step(gradient(t));
    assert.equal(second.optimizer.updates, 4);
    assert.deepEqual(await read(second.params.w), await read(through.params.w));
    assert.deepEqual(await read(second.params.b), await read(through.params.b));
    const { tensors } = first.optimizer.stateDict();
    assert.throws(
      () => second.optimizer.loadStateDict({ step: 1.5, tensors }, 'run'),
      /run: expected a whole number of updates done, got 1\.5/,
    );
  });
}

test('state keys are FIELD.PARAMETER, as checkpoints have them', () => {
  const params = { 'a.weight': randn([2], new Rng(1)) };
  const keys = (optimizer: Optimizer) => Object.keys(optimizer.stateDict().tensors);
  const moments = ['exp_avg.a.weight', 'exp_avg_sq.a.weight'];
  assert.deepEqual(keys(new AdamW({ params })), moments);
  assert.deepEqual(keys(new Adam({ params })), moments);
  assert.deepEqual(keys(new SGD({ params })), []);
  assert.deepEqual(keys(new SGD({ params, momentum: 0.9 })), ['momentum_buffer.a.weight']);
  assert.throws(
    () => new SGD({ params }).loadStateDict(new AdamW({ params }).stateDict()),
    /'exp_avg\.a\.weight' is in the file but not/,
  );
});

test('a missing gradient, a scale of many elements and nesterov without momentum are errors; a step leaves nothing', () => {
  const params = { 'a.weight': randn([2, 2], new Rng(1)), 'a.bias': randn([2], new Rng(2)) };
  const optimizer = new AdamW({ params, weightDecay: 0.1 });
  const [weight, bias] = [randn([2, 2], new Rng(3)), randn([2], new Rng(4))];
  assert.throws(
    () => optimizer.step({ 'a.weight': weight, 'a.bais': bias }),
    /for 'a\.bias', got none \(did you mean 'a\.bais'\?\)/,
  );
  const grads = { 'a.weight': weight, 'a.bias': bias };
  assert.throws(() => optimizer.step(grads, { scale: bias }), {
    constructor: ShapeError,
    message: /one element, got \[2\]/,
  });
  assert.throws(() => new SGD({ params, nesterov: true }), {
    constructor: OptionError,
    message: /momentum above 0, got 0/,
  });
  assert.equal(optimizer.updates, 0);
  const before = memory();
  optimizer.step(grads);
  assert.deepEqual(memory(), before);
});

test('an optimizer of your own is one formula', async () => {
  const update = defineUpdate('testSign', ['p'], ['g'], ['lr'], { p: 'p - lr * where(0 < g, 1, where(g < 0, -1, 0))' });
  class SignDescent extends Optimizer {
    protected update({ params, grads, lr }: ParameterGroup): void {
      update.all({ p: params, g: grads }, { lr });
    }
  }
  using _ = tensorScope();
  const w = tensor([1, 1, 1]);
  new SignDescent({ params: { w }, lr: 0.5 }).step({ w: tensor([3, -0.1, 0]) });
  assert.deepEqual(await read(w), [0.5, 1.5, 1]);
});

test('clipping scales to the given norm, and only down', async () => {
  using _ = tensorScope();
  const norm = globalNorm([tensor([3, 0]), tensor([[4]])]);
  close(await read(norm), [5]);
  close(await read(clipCoefficient(norm, 1)), [1 / (5 + 1e-6)]);
  close(await read(clipCoefficient(norm, 7)), [1], 0);
  close(await read(clipCoefficient(norm, Infinity)), [1], 0);
});

test('clipGradNorm scales copies, and a step with them is the step with a scale', async () => {
  using _ = tensorScope();
  const raw = { w: tensor([3, 0]), b: tensor(4) };
  const { grads, norm } = clipGradNorm(raw, 1);
  close(await read(norm), [5]);
  close([...(await read(grads.w)), ...(await read(grads.b))], [0.6, 0, 0.8], 1e-6);
  assert.deepEqual(grads.b.shape, []);
  assert.deepEqual(await read(raw.w), [3, 0]);
  const after = async (grads: Record<string, Tensor>, scale?: Tensor) => {
    const w = tensor([1, 2]);
    new AdamW({ params: { w }, lr: 0.1 }).step({ w: grads['w'] }, scale && { scale });
    return read(w);
  };
  close(await after(grads), await after(raw, clipCoefficient(norm, 1)), 1e-6);
  const before = memory();
  tidy(() => void clipGradNorm(raw, 1));
  assert.deepEqual(memory(), before);
});

test('a step that throws changes no parameter', () => {
  using _ = tensorScope();
  const params = { weight: tensor([[1, 1]]), bias: tensor([1]) }; // one decays, one does not: two groups
  const optimizer = new AdamW({ params, weightDecay: 0.1 });
  const grads = { weight: tensor([[1, 1]]), bias: tensor([1]) };
  grads.bias.dispose();
  assert.throws(() => optimizer.step(grads), /got the gradient of 'bias' after it was freed/);
  assert.deepEqual(Array.from(params.weight.dataSync()), [1, 1]);
  assert.equal(optimizer.updates, 0);
});

test('options out of range or unknown, and gradients that do not fit, are named', () => {
  using _ = tensorScope();
  const params = { w: tensor([1, 2]) };
  const g = tensor([1, 1]);
  const freed = tensor([1, 1]);
  freed.dispose();
  const matrix = { w: tensor([[1, 2]]) };
  const any = (value: unknown): never => value as never;
  // biome-ignore format: a table
  const wrong: readonly (readonly [() => unknown, string, string])[] = [
    [() => new AdamW(any({ params, learningRate: 0.1 })), 'OptionError', "AdamW: expected options params, lr, weightDecay, decays, betas, eps, got 'learningRate'."],
    [() => new Adam(any({ params, weight_decay: 0.1 })), 'OptionError', "Adam: expected options params, lr, weightDecay, decays, betas, eps, got 'weight_decay' (did you mean 'weightDecay'?)."],
    [() => new SGD(any({ params, betas: [0.9, 0.99] })), 'OptionError', "SGD: expected options params, lr, weightDecay, decays, momentum, nesterov, got 'betas'."],
    [() => new AdamW({ params, lr: -1 }), 'OptionError', 'AdamW, lr: expected a finite number ≥ 0, got -1.'],
    [() => new Adam({ params, lr: Number.NaN }), 'OptionError', 'Adam, lr: expected a finite number ≥ 0, got NaN.'],
    [() => new SGD({ params, lr: any('0.1') }), 'OptionError', 'SGD, lr: expected a finite number ≥ 0, got 0.1.'],
    [() => new AdamW({ params, weightDecay: -0.1 }), 'OptionError', 'AdamW, weightDecay: expected a finite number ≥ 0, got -0.1.'],
    [() => new AdamW({ params, betas: [2, 3] }), 'OptionError', 'AdamW, betas: expected a number in 0..1, 1 excluded, got 2.'],
    [() => new Adam({ params, betas: [0.9, 1] }), 'OptionError', 'Adam, betas: expected a number in 0..1, 1 excluded, got 1.'],
    [() => new Adam({ params, betas: any([0.9]) }), 'OptionError', 'Adam, betas: expected two numbers, got [0.9].'],
    [() => new Adam({ params, betas: any(0.9) }), 'OptionError', 'Adam, betas: expected two numbers, got 0.9.'],
    [() => new AdamW({ params, eps: -1e-8 }), 'OptionError', 'AdamW, eps: expected a finite number ≥ 0, got -1e-8.'],
    [() => new SGD({ params, momentum: 1 }), 'OptionError', 'SGD, momentum: expected a number in 0..1, 1 excluded, got 1.'],
    [() => new AdamW({ params, decays: any(true) }), 'OptionError', 'AdamW, decays: expected a function of name and shape, got true.'],
    [() => new AdamW({ params: any(undefined) }), 'OptionError', 'AdamW, params: expected parameters by name, got undefined. Pass stateDict(model).'],
    [() => new AdamW({ params: any({ layer: { weight: g } }) }), 'TypeError', "AdamW, params: expected tensors, got another value as 'layer'. Pass stateDict(model)."],
    [() => new AdamW({ params: {} }), 'OptionError', 'AdamW, params: expected at least one parameter, got none.'],
    [() => new SGD({ params: { a: g, b: g } }), 'TypeError', "SGD, params: expected each tensor once, got 'a' and 'b' for the same one, which would be updated twice. Leave one out with pick(params, …)."],
    [() => new SGD({ params: { a: g, b: g.reshape([2, 1]) } }), 'TypeError', "SGD, params: expected each tensor once, got 'a' and 'b' for the same values, of which one is a view, which would be updated twice."],
    [() => new AdamW({ params }).step({ w: freed }), 'DeviceError', "optimizer.step: expected live tensors, got the gradient of 'w' after it was freed."],
    [() => new AdamW({ params }).step({ w: g }, { scale: freed }), 'DeviceError', 'optimizer.step: expected live tensors, got the scale after it was freed.'],
    [() => new Muon({ params: matrix, momentum: 5 }), 'OptionError', 'Muon, momentum: expected a number in 0..1, 1 excluded, got 5.'],
    [() => new Muon({ params: matrix, iterations: 50 }), 'OptionError', 'Muon, iterations: expected a whole number from 1 to 5, got 50.'],
    [() => new Muon(any({ params: matrix, iteration: 3 })), 'OptionError', "Muon: expected options params, lr, weightDecay, decays, momentum, iterations, matrices, got 'iteration'"],
    [() => cosineSchedule(any({ lr: 1 })), 'OptionError', 'cosineSchedule, totalSteps: expected a whole number'],
    [() => cosineSchedule({ lr: 1, totalSteps: 10, warmupSteps: -1 }), 'OptionError', 'cosineSchedule, warmupSteps: expected a whole number'],
    [() => constantSchedule({ lr: Number.NaN }), 'OptionError', 'constantSchedule, lr: expected a number'],
    [() => new AdamW({ params }).step({}), 'TypeError', "optimizer.step: expected a gradient for 'w', got none."],
    [() => new SGD({ params }).step(any({ value: g, grads: { w: g } })), 'TypeError', "optimizer.step: expected a gradient for 'w', got none. Pass the 'grads' of valueAndGrad's result."],
    [() => new AdamW({ params }).step({ w: g, b: g }), 'TypeError', "optimizer.step: expected gradients of the optimizer's 1 parameters, got one for 'b' too."],
    [() => new AdamW({ params }).step({ w: tensor([1, 1, 1]) }), 'ShapeError', "optimizer.step: expected a gradient of shape [2] for 'w', got [3]."],
    [() => new AdamW({ params }).step({ w: g }, { lr: -1 }), 'OptionError', 'optimizer.step, lr: expected a finite number ≥ 0, got -1.'],
    [() => new AdamW({ params }).step({ w: g }, { scale: any(2) }), 'ShapeError', 'optimizer.step: expected a scale that is a tensor with one element, got a number.'],
    [() => new AdamW({ params }).step({ w: g }, any({ learningRate: 1 })), 'OptionError', "optimizer.step: expected options lr, scale, got 'learningRate'."],
  ];
  for (const [f, name, message] of wrong) {
    assert.throws(f, (error: Error) => {
      assert.equal(error.name, name, `${error.name}: ${error.message}`);
      assert.ok(error.message.startsWith(message), `${error.message}, want ${message}`);
      return true;
    });
  }
  const optimizer = new AdamW({ params });
  assert.throws(() => optimizer.step({ w: tensor([1]) }));
  assert.equal(optimizer.updates, 0); // a step that failed does not count
});

test('ids among the parameters stay what they are: they have no gradient, and do not decay', () => {
  using _ = tensorScope();
  const position = tensor([[3, 5]], undefined, { dtype: 'int32' });
  const weight = tensor([[4]]);
  const options = { params: { position, weight }, lr: 0.1, weightDecay: 0.5, decays: () => true };
  for (const optimizer of [new AdamW(options), new Adam(options), new SGD(options)])
    optimizer.step(grad(weight.square().sum(), options.params));
  assert.deepEqual(Array.from(position.dataSync()), [3, 5]);
  assert.ok(weight.dataSync()[0] < 4);
});
