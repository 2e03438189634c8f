/** The gradients of a row of the table, at random shapes. Runs in Node and in browsers. */
import fc from 'fast-check';
import { checkGradients, type Device, grad, Rng, type Tensor, tensor, tensorScope } from '../core/index.ts';
import { draw, type Row } from './op-rows.ts';

/** An op's gradient on a device at `runs` random shapes. @throws Error with the shapes and what differs */
export const checkGradient = (row: Row, device: Device, runs: number): Promise<void> =>
  forShapes(row, device, runs, async (inputs, rng) => {
    const { call, constant, apart } = row;
    if (constant) return expectZeros(call, inputs);
    const eps = device.name === 'reference' ? 1e-5 : 1e-2;
    const most = Math.max(...inputs.map((x) => x.size));
    await checkGradients(call, inputs, { rng, eps: apart ? Math.min(eps, 0.02 / most) : eps });
  });

/** The gradient of the gradient, on a device that computes in float64. */
export const checkSecondDerivative = (row: Row, device: Device, runs: number): Promise<void> =>
  forShapes(row, device, runs, (inputs, rng) => checkGradients(row.call, inputs, { rng, order: 2 }));

async function forShapes(
  row: Row,
  device: Device,
  runs: number,
  check: (inputs: Tensor[], rng: Rng) => Promise<void>,
): Promise<void> {
  const axis = fc.integer({ min: 1, max: 4 });
  const property = fc.asyncProperty(axis, axis, axis, fc.nat(), async (m, k, n, seed) => {
    const rng = new Rng(seed);
    const inputs = row.shapes(m, k, n).map((s, i) => tensor(draw(row, s, rng, i), s, { device }));
    try {
      await check(inputs, rng);
    } finally {
      for (const x of inputs) x.dispose();
    }
  });
  await fc.assert(property, { numRuns: runs, seed: 1, includeErrorInReport: true });
}

async function expectZeros(call: Row['call'], inputs: readonly Tensor[]): Promise<void> {
  using _ = tensorScope();
  const y = call(...inputs);
  for (const g of grad(y, inputs, { seed: y })) {
    if (!(await g.data()).every((x) => x === 0)) throw new Error(`expected zeros, got ${await g.data()}`);
  }
}
