/** Muon: momentum whose every update is orthogonal, for the matrices inside a network. */
import {
  concat,
  defineUpdate,
  expectWhole,
  mul,
  narrow,
  type Shape,
  ShapeError,
  show,
  type Tensor,
  transpose,
} from '../core/index.ts';
import type { StateDict } from './module.ts';
import {
  decaysWeight,
  expectShare,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  zerosFor,
} from './optimizer.ts';

/** Options of `Muon`. */
export interface MuonOptions extends OptimizerOptions {
  /** μ, the share of the mean gradient that survives an update. Default 0.95. */
  readonly momentum?: number;
  /** Newton–Schulz iterations, 1 to 5. Default 3: singular values from 0.01 up come within 0.5 to 1.5 of one another. */
  readonly iterations?: number;
  /** How many matrices a parameter has under one another. Default: 3 for attention's packed q, k and v, else 1. */
  readonly matrices?: (name: string) => number;
}

const muonMomentum = defineUpdate('muonMomentum', ['m'], ['g', 'scale'], ['rest'], {
  m: 'm + rest * (g * scale - m)',
});
const muon = defineUpdate('muon', ['p'], ['o'], ['rate', 'decay'], { p: 'p - (decay * p + rate * o)' });

/**
 * Momentum, orthogonalized: every direction of a matrix moves at the same speed, however small its gradient.
 *
 *   m ← μ m + (1 − μ) scale · g;   u = μ m + (1 − μ) scale · g
 *   p ← p − lr (wd · p + 0.2 √max(rows, columns) · UVᵀ),   u = U Σ Vᵀ
 *
 * The factor gives updates the size of Adam's, so that one learning rate fits both. Train embeddings, vectors and the
 * first and last layers with `AdamW`.
 *
 *   const hidden = pick(params, (name) => isHiddenMatrix(name, params[name].shape));
 *
 * @throws ShapeError for a parameter that is no matrix; OptionError for an option out of range
 * @see Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; Liu et al. 2025, arXiv:2502.16982, for
 *   the factor
 */
export class Muon extends Optimizer {
  /** m by parameter name. */
  readonly momentum_buffer: StateDict;
  readonly #momentum: number;
  readonly #iterations: number;
  readonly #matrices: (name: string) => number;

  constructor({ momentum = 0.95, iterations = 3, matrices = packedMatrices, ...options }: MuonOptions) {
    super(options, ['momentum', 'iterations', 'matrices']);
    expectShare('Muon, momentum', momentum);
    expectWhole('Muon, iterations', iterations, 1, polynomials.length);
    for (const [name, { shape }] of Object.entries(options.params)) {
      if (shape.length !== 2 || shape[0] % matrices(name) !== 0)
        throw new ShapeError(`Muon, ${name}: expected a matrix, got ${show(shape)}. Train it with AdamW.`);
    }
    this.#momentum = momentum;
    this.#iterations = iterations;
    this.#matrices = matrices;
    this.momentum_buffer = zerosFor(options.params);
  }

  protected update({ names, params, grads, scale, lr, weightDecay, of }: ParameterGroup): void {
    const momenta = of(this.momentum_buffer);
    const rest = 1 - this.#momentum;
    muonMomentum.all({ m: momenta, g: grads, scale }, { rest });

    const batches = new Map<string, Stacked[]>(); // equal shapes are orthogonalized together
    for (const [i, p] of params.entries()) {
      const u = momenta[i].mul(this.#momentum).add(mul(grads[i], scale).mul(rest));
      const [rows, columns] = p.shape;
      const count = this.#matrices(names[i]);
      const matrices = u.reshape([count, rows / count, columns]);
      const tall = rows / count > columns;
      const x = tall ? transpose(matrices) : matrices; // rows ≤ columns
      const key = show(x.shape.slice(1));
      batches.set(key, [...(batches.get(key) ?? []), { p, x, tall }]);
    }
    for (const batch of batches.values()) {
      const orthogonal = orthogonalize(concat(batch.map(({ x }) => x)), this.#iterations);
      const [, rows, columns] = orthogonal.shape;
      const rate = lr * 0.2 * Math.sqrt(Math.max(rows, columns));
      let start = 0;
      for (const { p, x, tall } of batch) {
        const part = narrow(orthogonal, 0, start, x.shape[0]);
        muon({ p, o: (tall ? transpose(part) : part).reshape(p.shape) }, { rate, decay: lr * weightDecay });
        start += x.shape[0];
      }
    }
  }
}

/** The matrices of one parameter, lying. */
interface Stacked {
  readonly p: Tensor;
  readonly x: Tensor; // [count, rows, columns]
  readonly tall: boolean;
}

/** Weights between hidden states: matrices but for embeddings, tokens and heads. */
export const isHiddenMatrix = (name: string, shape: Shape): boolean =>
  shape.length === 2 && decaysWeight(name, shape) && !/(^|_|\.)head\./.test(name);

const packedMatrices = (name: string): number => (/(in_proj_weight|qkv\.weight)$/.test(name) ? 3 : 1);

/** The best polynomials a s + b s³ + c s⁵ in turn for singular values from 0.001 to 1, with a margin for float32. */
const polynomials = [
  [8.28721201814563, -23.595886519098837, 17.300387312530933],
  [4.107059111542203, -2.9478499167379106, 0.5448431082926601],
  [3.9486908534822946, -2.908902115962949, 0.5518191394370137],
  [3.3184196573706015, -2.488488024314874, 0.51004894012372],
  [2.300652019954817, -1.6689039845747493, 0.4188073119525673],
] as const;

/**
 * Approximately orthogonal matrices with the directions of x: U Vᵀ of x = U Σ Vᵀ, with singular values around 1.
 *
 * @param x  [n, rows, columns] with rows ≤ columns
 * @see Amsel et al. 2025, "The Polar Express", arXiv:2505.16932
 */
export function orthogonalize(x: Tensor, iterations = 3): Tensor {
  const norm = x.square().sum([1, 2], true).sqrt(); // no singular value is larger
  let y = x.div(norm.mul(1.01).add(1e-12));
  for (const [a, b, c] of polynomials.slice(0, iterations)) {
    const s = y.matmul(y, { transposeB: true }); // [n, rows, rows]
    const polynomial = s.matmul(s).mul(c).add(s.mul(b));
    y = y.mul(a).add(polynomial.matmul(y));
  }
  return y;
}
