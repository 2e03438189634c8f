/** DiT: a transformer that predicts the noise in latents. Parameters have the names of the published models. */
import {
  add,
  type Device,
  embedding,
  expectRng,
  permute,
  type Rng,
  reshape,
  ShapeError,
  sameShape,
  show,
  type Tensor,
  tensor,
  transpose,
} from '../core/index.ts';
import {
  Conv2d,
  Embedding,
  Linear,
  parameter,
  stateDict,
  type Tap,
  truncatedNormal,
  xavierUniform,
} from '../nn/index.ts';
import { DiTBlock, modulate, modulation, PlainNorm } from './block.ts';
import { checkDiTConfig, type DiTConfig } from './config.ts';
import { gridPositions, TimestepEmbedder } from './embeddings.ts';

/** What predicts the noise in latents, or their velocity. */
export interface Denoiser {
  readonly config: Pick<DiTConfig, 'channels' | 'gridSize' | 'classes' | 'prediction'>;
  /** The device of the weights. */
  readonly device: Device;
  /**
   * The noise in x, or its velocity, as `config.prediction` says.
   *
   * @param x       [batch, channels, gridSize, gridSize]
   * @param times   batch whole numbers in 0..T−1
   * @param labels  batch classes in 0..C, where C is no class
   * @returns       the shape of x
   * @throws ShapeError for x of another shape, or another number of times or labels; RangeError for a time or label out of range
   */
  forward(x: Tensor, times: ArrayLike<number>, labels: ArrayLike<number>): Tensor;
}

/**
 * A diffusion transformer with adaLN-Zero blocks.
 *
 *   c = MLP(time) + embedding(label)
 *   x ← patches(x) + positions;   x ← block(x, c), layer by layer
 *   result = patches back to a grid of  W (norm(x) (1 + scale) + shift) + b
 *
 * Unlike the published models it predicts no variances. Starts with 0 for every x.
 *
 * @see Peebles and Xie 2022, arXiv:2212.09748
 */
export class DiT implements Denoiser {
  readonly config: DiTConfig;
  readonly x_embedder: { readonly proj: Conv2d };
  readonly t_embedder: TimestepEmbedder;
  readonly y_embedder: { readonly embedding_table: Embedding };
  readonly blocks: readonly DiTBlock[];
  readonly final_layer: { readonly linear: Linear; readonly adaLN_modulation: { readonly 1: Linear } };
  readonly #norm: PlainNorm;
  readonly #positions: Tensor; // [tokens, width], fixed

  /** @throws OptionError when the sizes do not fit each other */
  constructor(config: DiTConfig, rng: Rng) {
    expectRng('DiT', rng);
    checkDiTConfig(config);
    const { channels, gridSize, patchSize, classes, width, layers, heads, mlpWidth } = config;
    this.config = config;
    this.x_embedder = { proj: new Conv2d(channels, width, patchSize, rng, { stride: patchSize }) };
    this.t_embedder = new TimestepEmbedder(width, rng);
    this.y_embedder = { embedding_table: new Embedding(classes + 1, width, rng) };
    this.blocks = Array.from({ length: layers }, () => new DiTBlock(width, heads, mlpWidth, rng));
    this.final_layer = {
      linear: new Linear(width, patchSize ** 2 * channels, rng),
      adaLN_modulation: { 1: new Linear(width, 2 * width, rng) },
    };
    this.#norm = new PlainNorm(width);
    this.#positions = parameter(() => gridPositions(gridSize / patchSize, width));
    initializeDiT(this, rng);
  }

  get device(): Device {
    return this.final_layer.linear.weight.device;
  }

  forward(x: Tensor, times: ArrayLike<number>, labels: ArrayLike<number>, tap?: Tap): Tensor {
    const { channels, gridSize, patchSize, width, classes } = this.config;
    const [batch] = x.shape;
    if (!sameShape(x.shape, [batch, channels, gridSize, gridSize]))
      throw new ShapeError(
        `DiT: expected x [batch, ${channels}, ${gridSize}, ${gridSize}], as its config says, got ${show(x.shape)}.`,
      );
    if (times.length !== batch || labels.length !== batch)
      throw new ShapeError(
        `DiT: expected ${batch} times and labels for x of batch ${batch}, got ${times.length} and ${labels.length}.`,
      );
    const badTime = Array.from(times).find((t) => !(t >= 0 && t < Infinity));
    if (badTime !== undefined) throw new RangeError(`DiT: expected times ≥ 0, got ${badTime}.`);
    const badLabel = Array.from(labels).find((c) => !(Number.isInteger(c) && c >= 0 && c <= classes));
    if (badLabel !== undefined) throw new RangeError(`DiT: expected labels in 0..${classes}, got ${badLabel}.`);
    const ids = tensor(Int32Array.from(labels), [batch], { dtype: 'int32', device: this.device });
    const c = add(this.t_embedder.forward(times), embedding(this.y_embedder.embedding_table.weight, ids)); // [batch, width]
    const patches = reshape(this.x_embedder.proj.forward(x), [batch, width, -1]);
    let h = add(transpose(patches), this.#positions); // [batch, tokens, width]
    tap?.('embeddings', h);
    for (const [i, block] of this.blocks.entries()) {
      h = block.forward(h, c);
      tap?.(`blocks.${i}`, h);
    }
    const [shift, scale] = modulation(c, this.final_layer.adaLN_modulation, 2);
    const values = this.final_layer.linear.forward(modulate(this.#norm.forward(h), shift, scale));
    const side = gridSize / patchSize;
    const grid = reshape(values, [batch, side, side, patchSize, patchSize, channels]);
    return reshape(permute(grid, [0, 5, 1, 3, 2, 4]), [batch, channels, gridSize, gridSize]);
  }
}

/**
 * Starting weights as published: modulations and the last layer 0, embeddings N(0, 0.02²), other matrices Xavier uniform,
 * biases 0.
 */
function initializeDiT(model: DiT, rng: Rng): void {
  for (const [name, p] of Object.entries(stateDict(model))) {
    if (name.endsWith('bias') || /adaLN_modulation|final_layer/.test(name)) p.assign(new Float32Array(p.size));
    else if (/^[ty]_embedder/.test(name)) p.assign(truncatedNormal(p.shape, 0.02, rng));
    else p.assign(reshape(xavierUniform([p.shape[0], p.size / p.shape[0]], rng), p.shape));
  }
}
