/** Finite scalar quantization: every channel is rounded to a few levels, and the codes are all their combinations. */
import {
  embedding,
  expectKnown,
  expectOption,
  nearestCode,
  noGrad,
  OptionError,
  stopGradient,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../../core/index.ts';
import { parameter } from '../init.ts';
import { latentsLike, likeLatents, type Quantized, type Quantizer, rowsOf } from './quantizer.ts';

/** Options of `FiniteScalarQuantizer`. */
export interface FiniteScalarQuantizerOptions {
  /** 'fsq': as first published. 'ifsq': spreads normally distributed latents evenly over −1…1. Default 'fsq'. */
  readonly bound?: 'fsq' | 'ifsq';
}

/**
 * Rounds each channel to one of L levels; no codebook is learned and no loss is needed.
 *
 *   k = round(h tanh(s z + t) − o),   code = (k + c) / w,   o = ½ for even L, else 0
 *
 *   fsq   h = (L − 1)(1 − 10⁻³)/2,  s = 1,    t = artanh(o/h),  c = 0,  w = ⌊L/2⌋;     z = 0 gives code 0
 *   ifsq  h = (L − 1)/2,            s = 0.8,  t = 0,            c = o,  w = h;   h tanh(0.8 z) = h (2 σ(1.6 z) − 1)
 *
 * With 'fsq' the codes of even L are −1 … 1 − 1/w, with 'ifsq' always −1 … 1. The gradient passes the rounding as it is, and
 * the tanh as usual. The id of a code is Σ_i (k_i + ⌊L_i/2⌋) Π_{j<i} L_j.
 *
 * @see Mentzer et al. 2023, Finite Scalar Quantization: VQ-VAE Made Simple, arXiv:2309.15505, section 3 and appendix A.1,
 *   whose code has tan for artanh; Lin et al. 2026, iFSQ, arXiv:2601.17124, section 3.2
 */
export class FiniteScalarQuantizer implements Quantizer {
  readonly levels: readonly number[];
  readonly codebookSize: number;
  readonly dim: number;
  readonly bound: 'fsq' | 'ifsq';
  readonly #table: Tensor; // [codebookSize, dim]
  readonly #latents: Tensor; // [codebookSize, dim]: values of z in the middle of each code's cell
  readonly #constants: Tensor; // [6, dim]: h, s, t, o, c, w

  constructor(levels: readonly number[], options: FiniteScalarQuantizerOptions = {}) {
    expectKnown('FiniteScalarQuantizer', options, ['bound']);
    const { bound = 'fsq' } = options;
    expectOption(bound === 'fsq' || bound === 'ifsq', 'FiniteScalarQuantizer, bound', 'fsq or ifsq', bound);
    expectOption(levels.length > 0, 'FiniteScalarQuantizer levels', 'at least one', 'none');
    for (const L of levels)
      expectOption(Number.isInteger(L) && L >= 3, 'FiniteScalarQuantizer levels', 'whole numbers from 3', L);
    this.levels = [...levels];
    this.dim = levels.length;
    this.codebookSize = levels.reduce((product, L) => product * L, 1);
    expectOption(
      this.codebookSize <= mostCodes,
      'FiniteScalarQuantizer levels',
      `a product of at most ${mostCodes}, the codes`,
      this.codebookSize,
    );
    this.bound = bound;
    const channels = levels.map((L) => constantsOf(L, bound));
    const shape = [this.codebookSize, this.dim];
    const codes = new Float32Array(this.codebookSize * this.dim);
    const latents = new Float32Array(codes.length);
    for (let id = 0; id < this.codebookSize; id++) {
      let rest = id;
      for (const [i, L] of levels.entries()) {
        const { h, s, t, o, c, w } = channels[i];
        const k = (rest % L) - Math.floor(L / 2);
        rest = Math.floor(rest / L);
        const most = 1 - 0.25 / h; // the outermost levels lie where tanh is ±1: stay a quarter of a level inside
        codes[id * this.dim + i] = (k + c) / w;
        latents[id * this.dim + i] = (Math.atanh(Math.min(most, Math.max(-most, (k + o) / h))) - t) / s;
      }
    }
    this.#table = parameter(() => tensor(codes, shape));
    this.#latents = parameter(() => tensor(latents, shape));
    const constants = (['h', 's', 't', 'o', 'c', 'w'] as const).map((name) => channels.map((own) => own[name]));
    this.#constants = parameter(() => tensor(constants));
  }

  encode(z: Tensor): Quantized {
    const rows = rowsOf('FiniteScalarQuantizer', z, this.dim);
    const { bounded, code } = this.#levelsOf(rows);
    const ids = noGrad(() => tidy(() => nearestCode(code, this.#table))); // exact: each row is a code
    const zero = zeros([], { device: z.device });
    return {
      ...likeLatents(z, { rows: bounded.add(stopGradient(code.sub(bounded))), ids }),
      loss: zero,
      commitmentLoss: zero,
      codebookLoss: zero,
    };
  }

  /** z before rounding: (h tanh(s z + t) − o + c) / w. */
  relax(z: Tensor): Tensor {
    return latentsLike(z, this.#levelsOf(rowsOf('FiniteScalarQuantizer', z, this.dim)).bounded);
  }

  lookup(ids: Tensor): Tensor {
    return embedding(this.#table, ids);
  }

  latentsOf(ids: Tensor): Tensor {
    return embedding(this.#latents, ids);
  }

  /** The codes of rows [rows, dim], before and after rounding. */
  #levelsOf(rows: Tensor): { bounded: Tensor; code: Tensor } {
    const [h, s, t, o, c, w] = Array.from({ length: 6 }, (_, i) => this.#constants.narrow(0, i, 1)); // [1, dim] each
    const level = rows.mul(s).add(t).tanh().mul(h).sub(o);
    const scaled = (x: Tensor) => x.add(c).div(w);
    return { bounded: scaled(level), code: noGrad(() => scaled(level.round())) };
  }
}

const mostCodes = 2 ** 20; // a table holds them all

/** h, s, t, o, c and w of one channel, as `FiniteScalarQuantizer` names them. */
function constantsOf(L: number, bound: 'fsq' | 'ifsq') {
  const o = L % 2 === 0 ? 0.5 : 0;
  if (bound === 'ifsq') return { h: (L - 1) / 2, s: 0.8, t: 0, o, c: o, w: (L - 1) / 2 };
  const h = ((L - 1) * (1 - 1e-3)) / 2;
  return { h, s: 1, t: Math.atanh(o / h), o, c: 0, w: Math.floor(L / 2) };
}

/**
 * Levels for V codes: the fewest channels of 3 to 8 levels whose product is V, and of these the most even, largest first.
 *
 *   240 → 8·6·5,  512 → 8·8·8,  1000 → 8·5·5·5,  1024 → 8·8·4·4,  4375 → 7·5·5·5·5
 *
 * For the sizes that the paper recommends (240, 1000, 4375, 15360, 64000) these are the paper's levels.
 *
 * @throws OptionError when V is no such product, with the nearest sizes that are
 * @see Mentzer et al. 2023, arXiv:2309.15505, table 1
 */
export function fsqLevels(codebookSize: number): number[] {
  const levels = levelsOf(codebookSize);
  if (levels) return levels;
  throw new OptionError(
    `codebookSize: expected a product of levels from 3 to 8 for quantizer 'fsq', got ${codebookSize}. Take ${fsqSizesNear(codebookSize).join(' or ')}.`,
  );
}

/** V if `fsqLevels(V)` exist, else the nearest sizes below and above that have levels. */
export function fsqSizesNear(codebookSize: number): number[] {
  if (levelsOf(codebookSize)) return [codebookSize];
  let above = Math.max(3, Math.ceil(codebookSize));
  while (!levelsOf(above)) above++;
  let below = Math.floor(codebookSize);
  while (below >= 3 && !levelsOf(below)) below--;
  return below >= 3 ? [below, above] : [above];
}

function levelsOf(codebookSize: number): number[] | undefined {
  if (!Number.isInteger(codebookSize) || codebookSize < 3) return undefined;
  let best: number[] | undefined;
  const better = (a: readonly number[], b: readonly number[]) =>
    a.length !== b.length ? a.length < b.length : total(a) < total(b);
  const split = (rest: number, most: number, levels: number[]): void => {
    if (rest === 1 && (!best || better(levels, best))) best = levels;
    for (let L = most; L >= 3; L--) if (rest % L === 0) split(rest / L, L, [...levels, L]);
  };
  split(codebookSize, 8, []);
  return best;
}

const total = (levels: readonly number[]): number => levels.reduce((sum, L) => sum + L, 0);
