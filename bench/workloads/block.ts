/** A transformer block, [8, 97, 192], three heads: a forward pass, or a whole update; and a matrix product of 512³. */
import { matmul, noGrad, Rng, tensor, tensorScope, tidy, valueAndGrad } from '../../core/index.ts';
import { AdamW, countParameters, mse, stateDict, TransformerBlock } from '../../nn/index.ts';
import { serve, type Workload } from '../serve.ts';
import { filled, signals } from '../values.ts';

const shape = [8, 97, 192];
const build = () => ({
  block: filled(new TransformerBlock(192, 3, new Rng(0))),
  x: tensor(signals('x', shape), shape),
  target: tensor(signals('target', shape), shape),
});

async function training(): Promise<Workload> {
  const { block, x, target } = build();
  const params = stateDict(block);
  const optimizer = new AdamW({ params, lr: 1e-3 });
  const run = () => {
    using _ = tensorScope();
    const { value, grads } = valueAndGrad(params, () => mse(block.forward(x), target));
    optimizer.step(grads);
    return value.item();
  };
  return { run, check: [await run(), await run()], parameters: countParameters(block) };
}

function forward(): Workload {
  const { block, x } = build();
  const y = () => {
    using scope = tensorScope();
    return scope.keep(noGrad(() => block.forward(x)));
  };
  return { run: () => y().dispose(), check: y(), parameters: countParameters(block) };
}

function product(): Workload {
  const [a, b] = [tensor(signals('a', [512, 512]), [512, 512]), tensor(signals('b', [512, 512]), [512, 512])];
  return { run: () => tidy(() => void matmul(a, b)), check: matmul(a, b) };
}

await serve({ training, forward, matmul: product });
