/** The sampling loop on small random generators. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultDevice, memory, openDevice, Rng, setDefaultDevice, tensorScope } from '../../core/index.ts';
import {
  createGenerator,
  drawsFrom,
  type Generator,
  type GeneratorConfig,
  guidanceAt,
  haltonGridOrder,
  haltonOrder,
  keepLikeliest,
  laptopGenerators,
  noiseTemperature,
  publishedGenerators,
  type SamplingOptions,
  type SamplingWork,
  sample,
  samplingDefaults,
  samplingSteps,
  stillMasked,
} from '../../maskgit/index.ts';
import { rowsThatFit } from '../../maskgit/sampler.ts';
import { stateDict } from '../../nn/index.ts';
import { type PlainState, plainSample } from './plain-sampler.ts';

const base: GeneratorConfig = {
  architecture: 'bert',
  codebookSize: 12,
  latentTokens: 6,
  classes: 3,
  width: 8,
  layers: 2,
  heads: 2,
  mlpWidth: 16,
  dropout: 0.1,
  attentionDropout: 0.1,
  initializerRange: 0.5,
};
const generators: Generator[] = [
  createGenerator(base, new Rng(1)),
  createGenerator({ ...base, architecture: 'uvit' }, new Rng(2)),
];
const labels = [0, 2, 3]; // 3 is no class
const noisy: SamplingOptions = {
  steps: 4,
  guidance: 'linear',
  guidanceScale: 2,
  randomizeTemperature: 3,
  annealing: true,
};
const run = (generator: Generator, options: SamplingOptions, seed = 5) =>
  sample(generator, labels, options, drawsFrom(new Rng(seed)));

const options = fc.record({
  steps: fc.integer({ min: 1, max: 9 }),
  guidance: fc.constantFrom('constant' as const, 'linear' as const, 'power-cosine' as const),
  guidanceScale: fc.double({ min: 0, max: 7, noNaN: true }),
  randomizeTemperature: fc.double({ min: 0, max: 9, noNaN: true }),
  annealing: fc.boolean(),
  schedule: fc.constantFrom('arccos' as const, 'cosine' as const, 'root' as const),
  order: fc.constantFrom('confidence' as const, 'halton' as const),
  topK: fc.integer({ min: 0, max: 13 }),
  topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
});

for (const generator of generators) {
  const name = generator.config.architecture;

  test(`${name}: no mask id is left, whatever the options`, async () => {
    await fc.assert(
      fc.asyncProperty(options, fc.integer(), async (settings, seed) => {
        const ids = await run(generator, settings, seed);
        assert.equal(ids.length, labels.length * base.latentTokens);
        for (const id of ids) assert.ok(id >= 0 && id < base.codebookSize);
      }),
      { seed: 1, numRuns: 20 },
    );
  });

  test(`${name}: one seed gives one result, another seed another`, async () => {
    const first = await run(generator, noisy);
    assert.deepEqual(await run(generator, noisy), first);
    assert.notDeepEqual(await run(generator, noisy, 6), first);
  });

  test(`${name}: guidance 0 is no guidance, and guidance changes something`, async () => {
    const plain = await run(generator, { ...noisy, guidance: 'constant', guidanceScale: 0 });
    assert.deepEqual(await run(generator, { ...noisy, guidance: 'linear', guidanceScale: 0 }), plain);
    assert.deepEqual(await run(generator, { ...noisy, guidance: 'power-cosine', guidanceScale: 1 }), plain);
    assert.notDeepEqual(await run(generator, { ...noisy, guidance: 'constant', guidanceScale: 20 }), plain);
  });

  test(`${name}: fixed tokens stay fixed and each step fixes at least one more`, async () => {
    let before: Int32Array | undefined;
    let steps = 0;
    for await (const { step, ids } of samplingSteps(generator, labels, noisy, drawsFrom(new Rng(3)))) {
      assert.deepEqual([step, ids.length], [steps++, labels.length * base.latentTokens]);
      if (step === 0) assert.equal(masked(ids), ids.length);
      if (before) {
        before.forEach((id, i) => {
          if (id !== base.codebookSize) assert.equal(ids[i], id);
        });
        assert.ok(masked(ids) < masked(before));
      }
      before = ids;
    }
    assert.equal(masked(before!), 0);
  });

  test(`${name}: sampling frees what it makes`, async () => {
    await run(generator, noisy);
    const before = memory();
    await run(generator, noisy);
    assert.deepEqual(memory(), before);
  });
}

test('one step takes the likeliest token everywhere and needs no random numbers', async () => {
  const refuse = () => assert.fail('expected no draws at temperature 0');
  const generator = generators[0];
  const once = await sample(generator, labels, { steps: 1 }, { tokens: refuse, confidence: refuse });
  assert.deepEqual(once, await run(generator, { steps: 1, randomizeTemperature: 9 }));
});

test('samples are those of the plain loop, which predicts every token of every row', async () => {
  for (const generator of generators) {
    for (const guidance of ['constant', 'linear', 'power-cosine'] as const) {
      for (const labels of [[1], [0, 2, 3], [0, 0, 1, 1, 0]]) {
        const slow = { steps: 9, schedule: 'square' as const }; // slower than one token a step
        const halton = { order: 'halton', topK: 5, topP: 0.8 } as const;
        for (const others of [{}, slow, halton, { topK: 3 }, { topP: 0.5 }]) {
          const options = { ...samplingDefaults, ...noisy, guidance, ...others };
          const expected = await plainSample(generator, labels, options, drawsFrom(new Rng(8)));
          const ids = [...(await sample(generator, labels, options, drawsFrom(new Rng(8))))];
          assert.deepEqual(ids, expected.at(-1)?.ids);
        }
      }
    }
  }
});

for (const [order, latentTokens, visits] of [
  ['halton', 6, haltonOrder(6)],
  ['halton-2d', 9, haltonGridOrder(9)],
] as const) {
  test(`order ${order} keeps the next tokens of its sequence, from 1 step to one a token`, async () => {
    const generator = createGenerator({ ...base, latentTokens }, new Rng(1));
    for (let steps = 1; steps <= latentTokens; steps++) {
      let count = 0;
      let left: number = latentTokens;
      const schedule = 'linear';
      const refuse = () => assert.fail('expected no draws of confidence');
      const draws = { ...drawsFrom(new Rng(3)), confidence: refuse };
      for await (const { step, kept } of samplingSteps(generator, [1], { ...noisy, steps, schedule, order }, draws)) {
        if (step > 0) left = stillMasked(latentTokens, step - 1, steps, left, schedule);
        const seen = new Set(visits.slice(0, latentTokens - left));
        assert.deepEqual(
          [...kept],
          Array.from({ length: latentTokens }, (_, i) => (seen.has(i) ? 1 : 0)),
        );
        count++;
      }
      assert.equal(count, steps + 1);
    }
  });
}

test('order halton fills in the masked tokens of each row in turn, whatever is known', async () => {
  const start = partly.flat();
  const labels = [0, 1, 2, 3];
  const options = { ...noisy, order: 'halton', steps: 6 } as const;
  const states = await statesOf(generators[0], labels, options, { start });
  for (const row of labels.keys()) {
    const filled = states.map(({ kept }) => [...haltonOrder(6)].map((i) => kept[row * 6 + i]));
    const masked = [...haltonOrder(6)].filter((i) => partly[row][i] === V);
    for (const flags of filled) {
      const own = [...haltonOrder(6)].flatMap((i, n) => (masked.includes(i) ? [flags[n]] : []));
      assert.deepEqual(
        own,
        own.toSorted((a, b) => b - a),
      ); // the first ones of the order
    }
  }
});

test('top-k 1 takes the likeliest token, however strong the noise; a small top-p does, too', async () => {
  const hot = { steps: 1, randomizeTemperature: 9 };
  const [generator] = generators;
  const likeliest = await run(generator, hot); // one step has no noise
  const noise = { ...hot, steps: 2, schedule: 'linear', order: 'halton', topK: 1 } as const;
  for await (const { step, guesses } of samplingSteps(generator, labels, noise, drawsFrom(new Rng(1))))
    if (step === 1) assert.deepEqual(guesses, likeliest);
  const narrow = { ...noise, topK: 0, topP: 1e-6 };
  for await (const { step, guesses } of samplingSteps(generator, labels, narrow, drawsFrom(new Rng(1))))
    if (step === 1) assert.deepEqual(guesses, likeliest);
});

const V = base.codebookSize;
/** Rows with all, some, one and no tokens to sample. */
const partly = [
  [V, V, V, V, V, V],
  [3, V, V, 0, V, V],
  [1, 2, 3, V, 5, 6],
  [11, 10, 9, 8, 7, 6],
];

/** The states of sampling, copied as they come: a state must not change while the next one is made. */
async function statesOf(generator: Generator, rows: readonly number[], options: SamplingOptions, work: SamplingWork) {
  const states: PlainState[] = [];
  for await (const state of samplingSteps(generator, rows, options, drawsFrom(new Rng(8)), work)) {
    const { step, ids, guesses, confidence, kept } = state;
    assert.equal(step, states.length);
    states.push({ ids: [...ids], guesses: [...guesses], confidence: [...confidence], kept: [...kept] });
  }
  return states;
}

test('every state is that of the plain loop: ids, guesses, their probabilities, what is kept', async () => {
  const labels = [1, 0, 3, 2];
  for (const generator of generators) {
    for (const options of [noisy, { ...noisy, guidance: 'power-cosine' as const, annealing: false, steps: 9 }]) {
      for (const start of [undefined, partly.flat()]) {
        const work = { rowsAtOnce: 3, ...(start && { start }) };
        const states = await statesOf(generator, labels, options, work);
        const settings = { ...samplingDefaults, ...options };
        const expected = await plainSample(generator, labels, settings, drawsFrom(new Rng(8)), start);
        assert.equal(states.length, expected.length);
        for (const [i, { confidence, ...rest }] of states.entries()) {
          const { confidence: probability, ...others } = expected[i];
          assert.deepEqual(rest, others);
          for (const [j, p] of confidence.entries()) assert.ok(Math.abs(p - probability[j]) < 1e-5, `${p}`);
        }
        const sampled = await sample(generator, labels, options, drawsFrom(new Rng(8)), work);
        assert.deepEqual([...sampled], states.at(-1)?.ids);
      }
    }
  }
});

test('inpainting keeps the tokens that are given, in every step, and masks nothing again that was kept', async () => {
  const row = fc.array(fc.integer({ min: 0, max: V }), { minLength: 6, maxLength: 6 });
  const rows = fc.array(fc.oneof(row, fc.constantFrom(...partly)), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(rows, options, async (rows, settings) => {
      const start = rows.flat();
      const labels = rows.map((_, i) => i % 4);
      const states = await statesOf(generators[rows.length % 2], labels, settings, { start });
      assert.deepEqual(states[0].ids, start);
      assert.ok(!states.at(-1)?.ids.includes(V));
      for (const [n, { ids, guesses, kept, confidence }] of states.entries()) {
        const before = states[Math.max(0, n - 1)].ids;
        for (const [i, id] of ids.entries()) {
          if (before[i] !== V) assert.deepEqual([id, guesses[i], confidence[i]], [before[i], before[i], 1]);
          assert.equal(kept[i], id === V ? 0 : 1);
          if (id !== V) assert.equal(guesses[i], id);
          if (n > 0) assert.ok(guesses[i] < V && confidence[i] > 0 && confidence[i] <= 1);
        }
      }
    }),
    { seed: 1, numRuns: 40 },
  );
});

test('the schedule counts down from what is masked at the start, in each row', async () => {
  const generator = createGenerator({ ...base, latentTokens: 40, codebookSize: 50 }, new Rng(1));
  const start = Array.from({ length: 80 }, (_, i) => (i < 40 || i % 4 === 0 ? 50 : i % 50)); // 40 and 10 masks
  const steps = 5;
  const counts: number[][] = [];
  for await (const { kept } of samplingSteps(generator, [0, 1], { ...noisy, steps }, drawsFrom(new Rng(2)), { start }))
    counts.push([0, 40].map((at) => kept.subarray(at, at + 40).filter((k) => k === 0).length));
  const left = Array.from({ length: steps + 1 }, (_, s) => (2 / Math.PI) * Math.acos(s / steps)); // arccos
  assert.deepEqual(
    counts,
    left.map((share) => [Math.floor(40 * share), Math.floor(10 * share)]),
  );
});

test('starting from masks alone is starting from nothing; from known rows, nothing is predicted', async () => {
  const [generator] = generators;
  const start = new Int32Array(labels.length * base.latentTokens).fill(V);
  const expected = await run(generator, noisy);
  assert.deepEqual(await sample(generator, labels, noisy, drawsFrom(new Rng(5)), { start }), expected);
  const refuse = (): never => assert.fail('expected no prediction');
  const idle: Generator = { ...generator, forward: refuse, hiddenStates: refuse, head: refuse };
  for (const rowsAtOnce of [1, 2, 3]) {
    const work = { start: expected, rowsAtOnce };
    assert.deepEqual(await sample(idle, labels, noisy, drawsFrom(new Rng(1)), work), expected);
  }
});

test('samples do not depend on how many rows are predicted at once', async () => {
  const labels = [0, 2, 3, 1, 1, 0, 2];
  for (const generator of generators) {
    const expected = await sample(generator, labels, noisy, drawsFrom(new Rng(8)));
    for (const rowsAtOnce of [1, 2, 3, 6, 7, 100]) {
      const seen: number[] = [];
      const work = { rowsAtOnce, onProgress: (done: number, total: number) => seen.push(done / total) };
      assert.deepEqual(await sample(generator, labels, noisy, drawsFrom(new Rng(8)), work), expected, `${rowsAtOnce}`);
      const start = [...partly, ...partly.toReversed()].flat().slice(0, labels.length * base.latentTokens);
      const inpainted = (rowsAtOnce: number) =>
        sample(generator, labels, noisy, drawsFrom(new Rng(8)), { start, rowsAtOnce });
      assert.deepEqual(await inpainted(rowsAtOnce), await inpainted(labels.length));
      assert.equal(seen.length, 4 * Math.ceil(labels.length / rowsAtOnce));
      assert.equal(seen.at(-1), 1);
      assert.deepEqual(
        seen,
        seen.toSorted((a, b) => a - b),
      );
    }
  }
});

test('what is predicted at once fits into memory, and a default picture of the laptop generators is one part', () => {
  for (const config of Object.values(laptopGenerators)) assert.ok(rowsThatFit(config) >= 96);
  assert.ok(rowsThatFit(laptopGenerators.tiny) < 600); // 2.1 MiB each, measured
  const rows = Object.values(publishedGenerators).map(rowsThatFit);
  assert.ok(
    rows.every((n) => n >= 1 && n < 40),
    `${rows}`,
  );
  assert.equal(rowsThatFit({ ...publishedGenerators.s128, width: 65_536 }), 1);
});

test('the generator works on its own device, whichever is the default', async () => {
  const config = { ...base, dropout: 0 };
  const expected = await run(createGenerator(config, new Rng(1)), noisy);
  const before = defaultDevice();
  setDefaultDevice(await openDevice('reference'));
  try {
    const elsewhere = createGenerator(config, new Rng(1));
    setDefaultDevice(before);
    assert.equal(elsewhere.device.name, 'reference');
    assert.deepEqual(await run(elsewhere, noisy), expected);
  } finally {
    setDefaultDevice(before);
  }
});

test('zero uniforms give finite noise', async () => {
  using _ = tensorScope();
  const zero = (_step: number, count: number) => new Float32Array(count);
  const ids = await sample(generators[0], labels, noisy, { tokens: zero, confidence: zero });
  for (const id of ids) assert.ok(id >= 0 && id < base.codebookSize);
});

test('power-cosine guidance starts at 1 and stays below its scale', () => {
  assert.equal(guidanceAt('power-cosine', 6.9, 0, 64), 1);
  assert.ok(guidanceAt('power-cosine', 6.9, 63, 64) < 6.9);
  assert.equal(guidanceAt('linear', 4, 2, 8), 1);
  assert.deepEqual([guidanceAt('linear', 4, 9, 8), guidanceAt('power-cosine', 4, 9, 8)], [4, 4]); // the end holds
  assert.deepEqual([noiseTemperature(8, 8), noiseTemperature(0, 8)], [0, 7 / 8]);
});

test('impossible requests name what is wrong', async () => {
  const draws = drawsFrom(new Rng(0));
  await assert.rejects(
    sample(generators[0], [0], { steps: 0 }, draws),
    /sample steps: expected a whole number above 0, got 0/,
  );
  await assert.rejects(sample(generators[0], [4], { steps: 1 }, draws), /expected a label in 0\.\.3, got 4/);
  for (const rowsAtOnce of [0, 1.5, Number.NaN]) {
    await assert.rejects(sample(generators[0], [0], {}, draws, { rowsAtOnce }), {
      name: 'OptionError',
      message: `sample rowsAtOnce: expected a whole number above 0, got ${rowsAtOnce}.`,
    });
  }
  await assert.rejects(sample(generators[0], [0, 1], {}, draws, { start: [V, V] }), {
    name: 'OptionError',
    message: 'sample start: expected 2 × 6 ids, K for each label, got 2 ids.',
  });
  for (const wrong of [-1, V + 1, 0.5, Number.NaN]) {
    await assert.rejects(sample(generators[0], [0], {}, draws, { start: [V, V, wrong, V, 0, 0] }), {
      name: 'RangeError',
      message: `sample start: expected ids in 0..11, or 12 for the mask, got ${wrong}.`,
    });
  }
  await assert.rejects(sample(generators[0], [0], {}, undefined as never), {
    name: 'OptionError',
    message: 'sample: expected draws, got undefined. Pass drawsFrom(new Rng(0)).',
  });
  assert.throws(() => drawsFrom(undefined as never), /^OptionError: drawsFrom: expected/);
  const wrong: [SamplingOptions, string][] = [
    [{ topK: -1 }, 'sample topK: expected a whole number ≥ 0, got -1.'],
    [{ topK: 1.5 }, 'sample topK: expected a whole number ≥ 0, got 1.5.'],
    [{ topP: 0 }, 'sample topP: expected a number > 0 and ≤ 1, got 0.'],
    [{ topP: Number.NaN }, 'sample topP: expected a number > 0 and ≤ 1, got NaN.'],
    [{ order: 'random' as never }, 'sample order: expected one of confidence, halton, halton-2d, got random.'],
    [
      { order: 'halton-2d' },
      "order 'halton-2d': expected a square number of tokens, got 6. Take order 'halton' for tokens in a row.",
    ],
  ];
  wrong.push(
    [{ guidance: 'cosine' as never }, 'sample guidance: expected one of constant, linear, power-cosine, got cosine.'],
    [{ schedule: 'cos' as never }, 'sample schedule: expected one of arccos, cosine, linear, root, square, got cos.'],
    [{ guidanceScale: Number.NaN }, 'sample guidanceScale: expected a finite number, got NaN.'],
    [{ guidancePower: -1 }, 'sample guidancePower: expected a finite number ≥ 0, got -1.'],
    [{ randomizeTemperature: -1 }, 'sample randomizeTemperature: expected a finite number ≥ 0, got -1.'],
    [{ randomizeTemperature: Infinity }, 'sample randomizeTemperature: expected a finite number ≥ 0, got Infinity.'],
  );
  await assert.rejects(sample(generators[0], [0], { temperature: 0 } as SamplingOptions, draws), {
    name: 'OptionError',
    message: /^sample: expected options steps, .*got 'temperature'/,
  });
  await assert.rejects(sample(generators[0], [0], {}, draws, { starts: [] } as SamplingWork), {
    name: 'OptionError',
    message: "sample, work: expected options start, rowsAtOnce, onProgress, got 'starts' (did you mean 'start'?).",
  });
  for (const [topK, topP] of [
    [-1, 1],
    [1.5, 1],
    [Number.NaN, 1],
    [0, Number.NaN],
    [0, 0],
  ])
    assert.throws(() => keepLikeliest([1, 2, 3], topK, topP), { name: 'OptionError', message: /^keepLikeliest top/ });
  for (const [options, message] of wrong)
    await assert.rejects(sample(generators[0], [0], options, draws), { name: 'OptionError', message });
});

test('damaged weights are named before anything is drawn from them', async () => {
  const damaged = createGenerator(base, new Rng(1));
  for (const t of Object.values(stateDict(damaged))) t.assign(new Float32Array(t.size).fill(Number.NaN));
  const refuse = () => assert.fail('expected no draws');
  await assert.rejects(sample(damaged, labels, noisy, { tokens: refuse, confidence: refuse }), {
    name: 'NonFiniteError',
    message: "sample, step 0: expected finite logits, got NaN. Are the generator's weights damaged?",
  });
});

const masked = (ids: Int32Array): number => ids.filter((id) => id === base.codebookSize).length;
