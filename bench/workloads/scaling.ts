/** Forward and backward pass of a transformer block. The case is its size, `BATCHxTOKENSxWIDTH`. */
import { noGrad, Rng, tensor, tensorScope, valueAndGrad } from '../../core/index.ts';
import { countParameters, mse, stateDict, TransformerBlock } from '../../nn/index.ts';
import { parseCommandLine, serve } from '../serve.ts';
import { filled, signals } from '../values.ts';

const { name } = parseCommandLine();

await serve({
  [name]: () => {
    const shape = name.split('x').map(Number) as [number, number, number];
    const width = shape[2];
    const block = filled(new TransformerBlock(width, width / 64, new Rng(0)));
    const params = stateDict(block);
    const [x, target] = [tensor(signals('x', shape), shape), tensor(signals('target', shape), shape)];
    const run = () => {
      using _ = tensorScope();
      valueAndGrad(params, () => mse(block.forward(x), target));
    };
    return { run, check: noGrad(() => block.forward(x)), parameters: countParameters(block) };
  },
});
