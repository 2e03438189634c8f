/** Memory-bound ops at the sizes of the training step s1 (step.ts). */
import {
  gelu,
  grad,
  layerNorm,
  mul,
  noGrad,
  type Shape,
  softmax,
  type Tensor,
  tensor,
  tensorScope,
  tidy,
} from '../../core/index.ts';
import { AdamW } from '../../nn/index.ts';
import { serve, type Workload } from '../serve.ts';
import { signals } from '../values.ts';

const ROWS = 3104;
const WIDTH = 192;
const PARAMETERS = 5_300_000;

const numbers = (name: string, shape: Shape): Tensor => tensor(signals(name, shape), shape);

type Function = (...xs: Tensor[]) => Tensor;

const forward =
  (f: Function, ...shapes: Shape[]) =>
  (): Workload => {
    const xs = shapes.map((shape, i) => numbers(`x${i}`, shape));
    return { run: () => tidy(() => noGrad(() => void f(...xs))), check: noGrad(() => f(...xs)) };
  };

/** The backward pass only; the forward pass was recorded before. */
const backward =
  (f: Function, ...shapes: Shape[]) =>
  (): Workload => {
    const xs = shapes.map((shape, i) => numbers(`x${i}`, shape));
    const y = f(...xs);
    const seed = noGrad(() => mul(y, 1));
    const run = () => {
      using _ = tensorScope();
      grad(y, xs, { seed });
    };
    return { run, check: grad(y, xs, { seed })[0] };
  };

function adamw(): Workload {
  const p = numbers('p', [PARAMETERS]);
  const gradient = { p: numbers('g', [PARAMETERS]) };
  const optimizer = new AdamW({ params: { p }, lr: 1e-4, weightDecay: 0.01, decays: () => true });
  const run = () => {
    using _ = tensorScope();
    optimizer.step(gradient);
  };
  run();
  return { run, check: p };
}

const scores: Shape[] = [[96 * 97, 97]];
const rows: Shape[] = [[ROWS, WIDTH], [WIDTH], [WIDTH]];
const wide: Shape[] = [[ROWS, 4 * WIDTH]];
const softmaxOf: Function = (x) => softmax(x);
const normOf: Function = (x, gain, bias) => layerNorm(x, gain, bias);
const geluOf: Function = (x) => gelu(x);

await serve({
  'softmax forward': forward(softmaxOf, ...scores),
  'softmax backward': backward(softmaxOf, ...scores),
  'layerNorm forward': forward(normOf, ...rows),
  'layerNorm backward': backward(normOf, ...rows),
  'gelu forward': forward(geluOf, ...wide),
  'gelu backward': backward(geluOf, ...wide),
  adamw,
});
