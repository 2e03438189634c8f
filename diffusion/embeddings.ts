/** What a DiT adds to its tokens: where they are, how noisy they are, and of which class. */
import { type Device, type Rng, silu, type Tensor, tensor } from '../core/index.ts';
import { Linear } from '../nn/index.ts';

const frequencies = 256; // of a time, half of them cosines

/**
 * Times as cosines and sines of many frequencies:  [cos(t ω_i), sin(t ω_i)],  ω_i = 10000^(−i/128)
 *
 * @returns [batch, 256]
 */
export function timeFeatures(times: ArrayLike<number>, device: Device): Tensor {
  const half = frequencies / 2;
  const values = new Float32Array(times.length * frequencies);
  for (let b = 0; b < times.length; b++) {
    for (let i = 0; i < half; i++) {
      const angle = times[b] * 10_000 ** (-i / half);
      values[b * frequencies + i] = Math.cos(angle);
      values[b * frequencies + half + i] = Math.sin(angle);
    }
  }
  return tensor(values, [times.length, frequencies], { device });
}

/** Times → [batch, width], by an MLP on their features. */
export class TimestepEmbedder {
  readonly mlp: { readonly 0: Linear; readonly 2: Linear };

  constructor(width: number, rng: Rng) {
    this.mlp = { 0: new Linear(frequencies, width, rng), 2: new Linear(width, width, rng) };
  }

  /** times: batch numbers ≥ 0 */
  forward(times: ArrayLike<number>): Tensor {
    return this.mlp[2].forward(silu(this.mlp[0].forward(timeFeatures(times, this.mlp[0].weight.device))));
  }
}

/**
 * Fixed embedding of the places of a square grid, row by row: half of the width tells the column, half the row, each as
 * [sin(p ω_i), cos(p ω_i)] with ω_i = 10000^(−i / (width/4)).
 *
 * @param side   tokens per side
 * @param width  a multiple of 4
 * @returns      [side², width]
 */
export function gridPositions(side: number, width: number): Tensor {
  const quarter = width / 4;
  const values = new Float32Array(side * side * width);
  for (let place = 0; place < side * side; place++) {
    const coordinates = [place % side, Math.floor(place / side)];
    for (const [axis, p] of coordinates.entries()) {
      for (let i = 0; i < quarter; i++) {
        const angle = p * 10_000 ** (-i / quarter);
        const at = place * width + 2 * axis * quarter + i;
        values[at] = Math.sin(angle);
        values[at + quarter] = Math.cos(angle);
      }
    }
  }
  return tensor(values, [side * side, width]);
}
