/** The linear layer. */
import { expectKnown, expectRng, linear, type Rng, type Tensor } from '../core/index.ts';
import { fanInUniform, parameter } from './init.ts';

/**
 * Affine map of the last axis.
 *
 *   y = x Wᵀ + b        x [..., in], y [..., out]
 *
 * Both parameters start uniform in ±1/√in, as in PyTorch.
 */
export class Linear {
  readonly weight: Tensor; // [out, in]
  readonly bias: Tensor | null; // [out]

  constructor(inFeatures: number, outFeatures: number, rng: Rng, options: { bias?: boolean } = {}) {
    expectRng('Linear', rng);
    expectKnown('Linear', options, ['bias']);
    const { bias = true } = options;
    this.weight = parameter(() => fanInUniform([outFeatures, inFeatures], inFeatures, rng));
    this.bias = bias ? parameter(() => fanInUniform([outFeatures], inFeatures, rng)) : null;
  }

  /** @throws ShapeError when the last axis of x is not `in` long */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
