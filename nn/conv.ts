/** Convolution layers. Parameters start uniform in ±1/√(fan-in), as in PyTorch. */
import {
  conv2d,
  convTranspose2d,
  divides,
  expectKnown,
  expectRng,
  expectWhole,
  type Rng,
  ShapeError,
  type Tensor,
} from '../core/index.ts';
import { fanInUniform, parameter } from './init.ts';

/** Options of `Conv2d`. */
export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros around the image: the same on all sides, or [top, bottom, left, right]. Default 0. */
  readonly padding?: number | readonly [top: number, bottom: number, left: number, right: number];
  /** Splits the channels into groups that do not see each other. Default 1. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
}

/**
 * Two-dimensional convolution (cross-correlation, as in PyTorch) with a square kernel.
 *
 * x [batch, in, H, W] → y [batch, out, H', W'],  H' = ⌊(H + top + bottom − kernel) / stride⌋ + 1
 */
export class Conv2d {
  readonly weight: Tensor; // [out, in / groups, kernel, kernel]
  readonly bias: Tensor | null; // [out]
  readonly stride: number;
  readonly padding: number | readonly [top: number, bottom: number, left: number, right: number];
  readonly groups: number;

  constructor(inChannels: number, outChannels: number, kernel: number, rng: Rng, options: Conv2dOptions = {}) {
    expectRng('Conv2d', rng);
    const {
      stride = 1,
      padding = 0,
      groups = 1,
      bias = true,
    } = checked('Conv2d', options, inChannels, outChannels, kernel);
    const fanIn = (inChannels / groups) * kernel * kernel;
    this.weight = parameter(() => fanInUniform([outChannels, inChannels / groups, kernel, kernel], fanIn, rng));
    this.bias = bias ? parameter(() => fanInUniform([outChannels], fanIn, rng)) : null;
    this.stride = stride;
    this.padding = padding;
    this.groups = groups;
  }

  /** @throws ShapeError when x is not [batch, in, H, W] */
  forward(x: Tensor): Tensor {
    const { stride, padding, groups } = this;
    return conv2d(x, this.weight, this.bias, { stride, padding, groups });
  }
}

/**
 * Transposed convolution: maps the shapes of a `Conv2d` with the same options backwards, so stride 2 doubles the side.
 *
 * x [batch, in, H, W] → y [batch, out, H', W'],  H' = (H − 1) · stride − top − bottom + kernel
 */
export class ConvTranspose2d {
  readonly weight: Tensor; // [in, out / groups, kernel, kernel]
  readonly bias: Tensor | null; // [out]
  readonly stride: number;
  readonly padding: number | readonly [top: number, bottom: number, left: number, right: number];
  readonly groups: number;

  constructor(inChannels: number, outChannels: number, kernel: number, rng: Rng, options: Conv2dOptions = {}) {
    expectRng('ConvTranspose2d', rng);
    const {
      stride = 1,
      padding = 0,
      groups = 1,
      bias = true,
    } = checked('ConvTranspose2d', options, inChannels, outChannels, kernel);
    const fanIn = (outChannels / groups) * kernel * kernel; // as PyTorch counts it, from the weight's second axis
    this.weight = parameter(() => fanInUniform([inChannels, outChannels / groups, kernel, kernel], fanIn, rng));
    this.bias = bias ? parameter(() => fanInUniform([outChannels], fanIn, rng)) : null;
    this.stride = stride;
    this.padding = padding;
    this.groups = groups;
  }

  /** @throws ShapeError when x is not [batch, in, H, W] */
  forward(x: Tensor): Tensor {
    const { stride, padding, groups } = this;
    return convTranspose2d(x, this.weight, this.bias, { stride, padding, groups });
  }
}

/** @throws OptionError for an unknown option or a kernel that is not a whole number ≥ 1; ShapeError unless `groups` divides both numbers of channels */
function checked(
  layer: string,
  options: Conv2dOptions,
  inChannels: number,
  outChannels: number,
  kernel: number,
): Conv2dOptions {
  expectWhole(`${layer}, kernel`, kernel, 1, 65_535);
  expectKnown(layer, options, ['stride', 'padding', 'groups', 'bias']);
  const { groups = 1 } = options;
  if (!divides(groups, inChannels) || !divides(groups, outChannels))
    throw new ShapeError(
      `${layer}: expected channels that ${groups} groups divide, got ${inChannels} and ${outChannels}.`,
    );
  return options;
}
