/** Convolutions. */
import { conv2d, type Rng, type Tensor } from '../core/index.ts';
import { fanInUniform, parameter } from './init.ts';

export interface Conv2dOptions {
  stride?: number;
  /** Zeros around the image: the same on all sides, or [top, bottom, left, right]. */
  padding?: number | readonly [number, number, number, number];
  groups?: number;
  bias?: boolean;
}

/**
 * Two-dimensional convolution (cross-correlation, as in PyTorch) with a square kernel.
 *
 * x [batch, in, H, W] → y [batch, out, H', W']. Parameters start uniform in ±1/√(in/groups · kernel²).
 */
export class Conv2d {
  readonly weight: Tensor; // [out, in / groups, kernel, kernel]
  readonly bias: Tensor | null; // [out]
  readonly stride: number;
  readonly padding: number | readonly [number, number, number, number];
  readonly groups: number;

  constructor(inChannels: number, outChannels: number, kernel: number, rng: Rng, options: Conv2dOptions = {}) {
    const { stride = 1, padding = 0, groups = 1, bias = true } = options;
    const fanIn = (inChannels / groups) * kernel * kernel;
    this.weight = parameter(() => fanInUniform([outChannels, inChannels / groups, kernel, kernel], fanIn, rng));
    this.bias = bias ? parameter(() => fanInUniform([outChannels], fanIn, rng)) : null;
    this.stride = stride;
    this.padding = padding;
    this.groups = groups;
  }

  forward(x: Tensor): Tensor {
    const { stride, padding, groups } = this;
    return conv2d(x, this.weight, this.bias, { stride, padding, groups });
  }
}
