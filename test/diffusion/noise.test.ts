/** The forward process against committed values, and its equation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensor, tensorScope } from '../../core/index.ts';
import { addNoise, noiseSchedule, targetOf } from '../../diffusion/index.ts';

/** t, β_t and ᾱ_t, computed with Python's floats from the formulas of the papers. */
const expected = {
  linear: {
    1000: [
      [0, 0.0001, 0.9999],
      [1, 0.00011991991991991993, 0.9997800920720721],
      [500, 0.01005995995995996, 0.07779665836502386],
      [999, 0.02, 4.0358297653756754e-5],
    ],
    100: [
      [1, 0.0030101010101010106, 0.9959929090909091],
      [50, 0.1015050505050505, 0.06666562681829521],
      [99, 0.2, 2.039008975564078e-5],
    ],
  },
  cosine: {
    1000: [
      [0, 4.128422482196914e-5, 0.999958715775178],
      [1, 4.614175273665033e-5, 0.9999125759273678],
      [500, 0.003155691441585007, 0.49228517244880304],
      [998, 0.7499993929011166, 2.4287669070348544e-6],
      [999, 0.999, 2.4287669070348567e-9],
    ],
    100: [
      [1, 0.0011169370373218523, 0.9982524864661346],
      [50, 0.03154633936072582, 0.4782646329454781],
      [99, 0.999, 2.4285722793500615e-7],
    ],
  },
} as const;

for (const name of ['linear', 'cosine'] as const) {
  test(`${name} betas and what is left of the signal`, () => {
    for (const [times, rows] of Object.entries(expected[name])) {
      const { betas, alphaBars } = noiseSchedule(name, Number(times));
      assert.equal(betas.length, Number(times));
      for (const [t, beta, alphaBar] of rows) {
        assert.ok(Math.abs(betas[t] / beta - 1) < 1e-9, `β ${t}: ${betas[t]}`);
        assert.ok(Math.abs(alphaBars[t] / alphaBar - 1) < 1e-9, `ᾱ ${t}: ${alphaBars[t]}`);
      }
    }
  });
}

test('every schedule loses signal at each time, and has a number of times that it can have', () => {
  for (const name of ['linear', 'cosine'] as const) {
    for (const times of [21, 50, 1000]) {
      const { betas, alphaBars } = noiseSchedule(name, times);
      assert.ok(betas.every((b) => b > 0 && b < 1));
      assert.ok(alphaBars.every((a, t) => a > 0 && a < (alphaBars[t - 1] ?? 1)));
    }
    assert.throws(() => noiseSchedule(name, 20), {
      name: 'OptionError',
      message: 'noiseSchedule times: expected a whole number above 20, got 20.',
    });
  }
});

test('addNoise mixes each row by its own time, and the velocity is its derivative along the way', async () => {
  using _ = tensorScope();
  const schedule = noiseSchedule('linear');
  const [x, noise] = [
    [1, -2, 3, 4],
    [0.5, 1, -1, 2],
  ];
  const args = [tensor(x, [2, 1, 2, 1]), tensor(noise, [2, 1, 2, 1]), [10, 900], schedule] as const;
  const mixed = await addNoise(...args).data();
  const velocity = await targetOf('velocity', ...args).data();
  assert.equal(targetOf('noise', ...args), args[1]);
  for (const [i, t] of [10, 10, 900, 900].entries()) {
    const a = schedule.alphaBars[t];
    assert.ok(Math.abs(mixed[i] - (Math.sqrt(a) * x[i] + Math.sqrt(1 - a) * noise[i])) < 1e-6);
    assert.ok(Math.abs(velocity[i] - (Math.sqrt(a) * noise[i] - Math.sqrt(1 - a) * x[i])) < 1e-6);
  }
});

test('times outside of the schedule, noise of another shape and other names are refused', () => {
  using _ = tensorScope();
  const schedule = noiseSchedule('linear', 100);
  const x = tensor([1, 2, 3, 4], [2, 2]);
  for (const f of [addNoise, (...args: Parameters<typeof addNoise>) => targetOf('noise', ...args)]) {
    for (const t of [-1, 100, 0.5, Number.NaN])
      assert.throws(() => f(x, x, [0, t], schedule), { name: 'RangeError', message: new RegExp(`in 0..99, got ${t}`) });
    assert.throws(() => f(x, x, [0], schedule), {
      name: 'ShapeError',
      message: /expected 2 times for x \[2, 2\], got 1/,
    });
    const row = tensor([1, 2], [2]); // would be broadcast
    assert.throws(() => f(x, row, [0, 1], schedule), { name: 'ShapeError', message: /\[2, 2\], got \[2\]/ });
  }
  assert.throws(() => targetOf('x0' as 'noise', x, x, [0, 1], schedule), {
    name: 'OptionError',
    message: 'targetOf: expected one of noise, velocity, got x0.',
  });
  assert.throws(() => noiseSchedule('sqrt' as 'linear'), {
    name: 'OptionError',
    message: /one of linear, cosine, got sqrt/,
  });
});
