/** Normalization layers: gain 1 and bias 0 at the start. */
import { groupNorm, layerNorm, ones, type Tensor, zeros } from '../core/index.ts';
import { parameter } from './init.ts';

/** y = (x − mean) / √(variance + eps) · weight + bias over the last axis. x [..., dim] */
export class LayerNorm {
  readonly weight: Tensor; // [dim]
  readonly bias: Tensor; // [dim]
  readonly eps: number;

  constructor(dim: number, eps = 1e-5) {
    this.weight = parameter(() => ones([dim]));
    this.bias = parameter(() => zeros([dim]));
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.eps);
  }
}

/** The same over groups of channels and all positions, with a gain and bias per channel. x [batch, channels, ...] */
export class GroupNorm {
  readonly weight: Tensor; // [channels]
  readonly bias: Tensor; // [channels]
  readonly groups: number;
  readonly eps: number;

  constructor(groups: number, channels: number, eps = 1e-5) {
    this.weight = parameter(() => ones([channels]));
    this.bias = parameter(() => zeros([channels]));
    this.groups = groups;
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return groupNorm(x, this.weight, this.bias, this.groups, this.eps);
  }
}
