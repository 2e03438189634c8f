/** Normalization layers. Weights start at 1, biases at 0. */
import { divides, expectNumber, groupNorm, layerNorm, ones, ShapeError, type Tensor, zeros } from '../core/index.ts';
import { parameter } from './init.ts';

/**
 * Normalizes each row of the last axis.
 *
 *   y = (x − mean) / √(variance + eps) · weight + bias        x, y [..., dim]
 *
 * @see Ba et al. 2016, arXiv:1607.06450
 */
export class LayerNorm {
  readonly weight: Tensor; // [dim]
  readonly bias: Tensor; // [dim]
  readonly eps: number;

  /** @throws OptionError unless eps is a number ≥ 0 */
  constructor(dim: number, eps = 1e-5) {
    expectNumber('LayerNorm, eps', eps, 0, Number.MAX_VALUE);
    this.weight = parameter(() => ones([dim]));
    this.bias = parameter(() => zeros([dim]));
    this.eps = eps;
  }

  /** @returns the shape of x */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.eps);
  }
}

/**
 * Normalizes over all positions and the channels of each group, with a weight and bias for each channel.
 *
 *   y = (x − mean) / √(variance + eps) · weight + bias        x, y [batch, channels, ...]
 *
 * @see Wu and He 2018, arXiv:1803.08494
 */
export class GroupNorm {
  readonly weight: Tensor; // [channels]
  readonly bias: Tensor; // [channels]
  readonly groups: number;
  readonly eps: number;

  /** @throws ShapeError unless `groups` divides `channels`; OptionError unless eps is a number ≥ 0 */
  constructor(groups: number, channels: number, eps = 1e-5) {
    expectNumber('GroupNorm, eps', eps, 0, Number.MAX_VALUE);
    if (!divides(groups, channels))
      throw new ShapeError(`GroupNorm: expected channels that ${groups} groups divide, got ${channels}.`);
    this.weight = parameter(() => ones([channels]));
    this.bias = parameter(() => zeros([channels]));
    this.groups = groups;
    this.eps = eps;
  }

  /** @returns the shape of x */
  forward(x: Tensor): Tensor {
    return groupNorm(x, this.weight, this.bias, this.groups, this.eps);
  }
}
