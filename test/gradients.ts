/**
 * A gradient by one number: ⟨u, f(x + εv) − f(x − εv)⟩ / 2ε against ⟨vjp(u), v⟩, at random shapes of a row of the table.
 * Runs in Node and in browsers.
 */
import fc from 'fast-check';
import { type Device, grad, Rng, type Shape, type Tensor, tensor, tensorScope } from '../core/index.ts';
import { draw, type Row } from './op-rows.ts';

interface Precision {
  readonly eps: number;
  readonly tolerance: number;
}
const float64: Precision = { eps: 1e-5, tolerance: 1e-5 };
const float32: Precision = { eps: 1e-2, tolerance: 1e-2 };

/** An op's gradient on a device at `runs` random shapes. @throws Error with the shapes and both numbers where they differ */
export const checkGradient = (row: Row, device: Device, runs: number): Promise<void> =>
  forShapes(runs, (m, k, n, seed) =>
    firstOrder(row, device, [m, k, n], seed, device.name === 'reference' ? float64 : float32),
  );

/** The gradient of the gradient, on a device that computes in float64. */
export const checkSecondDerivative = (row: Row, device: Device, runs: number): Promise<void> =>
  forShapes(runs, (m, k, n, seed) => secondOrder(row, device, [m, k, n], seed));

async function forShapes(
  runs: number,
  check: (m: number, k: number, n: number, seed: number) => Promise<void>,
): Promise<void> {
  const axis = fc.integer({ min: 1, max: 4 });
  await fc.assert(fc.asyncProperty(axis, axis, axis, fc.nat(), check), {
    numRuns: runs,
    seed: 1,
    includeErrorInReport: true,
  });
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((s, x, i) => s + x * b[i], 0);
}

async function firstOrder(
  row: Row,
  device: Device,
  axes: [number, number, number],
  seed: number,
  p: Precision,
): Promise<void> {
  using _ = tensorScope();
  const rng = new Rng(seed);
  const shapes = row.shapes(...axes);
  const values = shapes.map((s, i) => draw(row, s, rng, i));
  const f = (step: number, along: Float32Array[]): Tensor =>
    row.call(
      ...shapes.map((s, i) =>
        tensor(
          Float64Array.from(values[i], (x, j) => x + step * along[i][j]),
          s,
          { device },
        ),
      ),
    );
  const zero = values.map((x) => new Float32Array(x.length));
  const xs = shapes.map((s, i) => tensor(values[i], s, { device }));
  const y = row.call(...xs);
  if (row.constant) {
    for (const g of grad(y, xs, { seed: y })) {
      if (!(await g.data()).every((x) => x === 0)) throw new Error(`expected zeros, got ${await g.data()}`);
    }
    return;
  }
  const u = rng.uniforms(y.size, -1, 1);
  const vs = values.map((x) => rng.uniforms(x.length, -1, 1));
  const spacing = row.apart ? Math.min(p.eps, 0.02 / Math.max(...values.map((x) => x.length), 1)) : p.eps;
  const numeric = (dot(u, await f(spacing, vs).data()) - dot(u, await f(-spacing, vs).data())) / (2 * spacing);
  const gradients = grad(y, xs, { seed: tensor(u, y.shape, { device }) });
  let exact = 0;
  for (const [i, g] of gradients.entries()) exact += dot(await g.data(), vs[i]);
  const scale =
    1 + Math.abs(exact) + (p === float32 ? (1e-6 * Math.abs(dot(u, await f(0, zero).data()))) / spacing : 0);
  if (!(Math.abs(numeric - exact) <= p.tolerance * scale))
    throw new Error(
      `differences give ${numeric}, vjp ${exact}, shapes ${shapes.map((s: Shape) => `[${s}]`).join(' ')}`,
    );
}

/** The same check on x ↦ ⟨w, ∇⟨u, f(x)⟩⟩. */
async function secondOrder(row: Row, device: Device, axes: [number, number, number], seed: number): Promise<void> {
  using _ = tensorScope();
  const rng = new Rng(seed);
  const shapes = row.shapes(...axes);
  const values = shapes.map((s, i) => Float64Array.from(draw(row, s, rng, i)));
  const vs = values.map((x) => rng.uniforms(x.length, -1, 1));
  const ws = shapes.map((s) =>
    rng.uniforms(
      s.reduce((a, b) => a * b, 1),
      -1,
      1,
    ),
  );
  const make = (step: number) =>
    shapes.map((s, i) =>
      tensor(
        values[i].map((x, j) => x + step * vs[i][j]),
        s,
        { device },
      ),
    );
  const size = row.call(...make(0)).size;
  const u = rng.uniforms(size, -1, 1);
  const inner = (xs: Tensor[]): Tensor => {
    const y = row.call(...xs);
    const gs = grad(y, xs, { seed: tensor(u, y.shape, { device }), createGraph: true });
    return gs.map((g, i) => g.mul(tensor(ws[i], shapes[i], { device })).sum()).reduce((a, b) => a.add(b));
  };
  const eps = 1e-5;
  const numeric = ((await inner(make(eps)).item()) - (await inner(make(-eps)).item())) / (2 * eps);
  const xs = make(0);
  let exact = 0;
  for (const [i, g] of grad(inner(xs), xs).entries()) exact += dot(await g.data(), vs[i]);
  if (!(Math.abs(numeric - exact) <= 1e-5 * (1 + Math.abs(exact))))
    throw new Error(`differences give ${numeric}, vjp ${exact}`);
}
