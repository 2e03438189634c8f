/** Quantizers by name. */
import { expectOption, OptionError, type Rng } from '../../core/index.ts';
import { BinaryQuantizer, binarySizesNear, bitsFor } from './binary.ts';
import { FiniteScalarQuantizer, fsqLevels, fsqSizesNear } from './fsq.ts';
import type { Quantizer } from './quantizer.ts';
import { SimVQ } from './simvq.ts';
import { VectorQuantizer } from './vq.ts';

/** The names of all quantizers: `createQuantizer` says what they are. */
export const quantizerNames = ['vq', 'rotation', 'clustering', 'simvq', 'fsq', 'ifsq', 'lfq', 'bsq'] as const;

/** The name of a quantizer. */
export type QuantizerName = (typeof quantizerNames)[number];

/** What decides a quantizer. */
export interface QuantizerConfig {
  readonly quantizer: QuantizerName;
  /** V: how many codes there are. */
  readonly codebookSize: number;
  /** Numbers per code; quantizers whose codes are fixed have their own, `codeDim`. */
  readonly dim: number;
  /** Latents and codes of 'vq', 'rotation', 'clustering' and 'simvq' have length 1. */
  readonly l2Norm: boolean;
  /** β of the commitment term; 'fsq' and 'ifsq' have none. */
  readonly commitmentCost: number;
  /** γ of the entropy term of 'lfq' and 'bsq'. */
  readonly entropyCost: number;
}

/**
 * Numbers per code: `dim` where codes are learned; otherwise what V codes need.
 *
 * @throws OptionError when the quantizer cannot have V codes
 */
export function codeDim({ quantizer, codebookSize, dim }: Pick<QuantizerConfig, 'quantizer' | 'codebookSize' | 'dim'>) {
  if (quantizer === 'fsq' || quantizer === 'ifsq') return fsqLevels(codebookSize).length;
  return quantizer === 'lfq' || quantizer === 'bsq' ? bitsFor(codebookSize) : dim;
}

/** The numbers of codes nearest to V that a quantizer can have: V alone if it can have V. */
export function sizesNear({ quantizer, codebookSize }: Pick<QuantizerConfig, 'quantizer' | 'codebookSize'>): number[] {
  if (quantizer === 'fsq' || quantizer === 'ifsq') return fsqSizesNear(codebookSize);
  return quantizer === 'lfq' || quantizer === 'bsq' ? binarySizesNear(codebookSize) : [codebookSize];
}

/**
 * A quantizer of V codes, log₂ V bits per token:
 *
 *   'vq'        `VectorQuantizer`
 *   'rotation'  the same with the gradient of the rotation trick
 *   'clustering' the same with rarely used codes pulled to latents
 *   'simvq'     `SimVQ`
 *   'fsq'       `FiniteScalarQuantizer` with the levels `fsqLevels(V)`; 'ifsq' with its other bound
 *   'lfq'       `BinaryQuantizer` of log₂ V bits; 'bsq' on the sphere
 *
 * @throws OptionError for an unknown name, or when the quantizer cannot have V codes, or its codes have another `dim`
 */
export function createQuantizer(config: QuantizerConfig, rng: Rng): Quantizer {
  const { quantizer, codebookSize, dim, l2Norm, commitmentCost, entropyCost } = config;
  const isKnown = quantizerNames.includes(quantizer);
  expectOption(isKnown, 'createQuantizer, quantizer', `one of ${quantizerNames.join(', ')}`, quantizer);
  const own = codeDim(config);
  if (own !== dim)
    throw new OptionError(
      `tokenSize: expected ${own}, the numbers per code of quantizer '${quantizer}' with ${codebookSize} codes, got ${dim}.`,
    );
  const options = { l2Norm, commitmentCost };
  switch (quantizer) {
    case 'vq':
      return new VectorQuantizer(codebookSize, dim, rng, options);
    case 'rotation':
      return new VectorQuantizer(codebookSize, dim, rng, { ...options, gradient: 'rotation' });
    case 'clustering':
      return new VectorQuantizer(codebookSize, dim, rng, { ...options, clusteringVQ: true });
    case 'simvq':
      return new SimVQ(codebookSize, dim, rng, options);
    case 'fsq':
    case 'ifsq':
      return new FiniteScalarQuantizer(fsqLevels(codebookSize), { bound: quantizer });
    case 'lfq':
    case 'bsq':
      return new BinaryQuantizer(dim, { spherical: quantizer === 'bsq', commitmentCost, entropyCost });
  }
}
