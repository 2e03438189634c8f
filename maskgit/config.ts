/** The sizes of a generator, and the ids that it reads: image tokens, the mask, classes. */
import { expectNumber, expectOption } from '../core/index.ts';

/**
 * A generator predicts the K = `latentTokens` ids of an image from a class and from the ids that are not masked.
 *
 * Vocabulary of V + 2 + C ids: 0..V−1 image tokens, V the mask, V + 1 + c class c, V + 1 + C no class.
 */
export interface GeneratorConfig {
  /** 'bert': the post-norm ImageBert (L-32, B-64). 'uvit': the pre-norm U-ViT with long skips (S-128). */
  readonly architecture: 'bert' | 'uvit';
  /** V: how many different image tokens there are. */
  readonly codebookSize: number;
  /** K: tokens per image. */
  readonly latentTokens: number;
  /** C: how many classes there are. */
  readonly classes: number;
  /** Dimension of the hidden states. */
  readonly width: number;
  /** Transformer blocks. U-ViT has half of them on either side of one more in the middle; an odd number is rounded down. */
  readonly layers: number;
  /** Attention heads; must divide the width. */
  readonly heads: number;
  /** Hidden dimension of each block's MLP. */
  readonly mlpWidth: number;
  /** Dropout probability of hidden states; U-ViT has no dropout. */
  readonly dropout: number;
  /** Dropout probability of attention weights. Above 0, training cannot use the fused attention. */
  readonly attentionDropout: number;
  /** Standard deviation of the initial weights. */
  readonly initializerRange: number;
}

/** @throws OptionError when a value is impossible or the heads do not divide the width */
export function checkGeneratorConfig(config: GeneratorConfig): void {
  const { architecture, width, heads, initializerRange } = config;
  const where = (name: keyof GeneratorConfig) => `generator ${name}`;
  expectOption(architecture in { bert: 1, uvit: 1 }, where('architecture'), 'bert or uvit', architecture);
  for (const name of ['codebookSize', 'latentTokens', 'width', 'heads', 'mlpWidth'] as const)
    expectOption(
      Number.isInteger(config[name]) && config[name] > 0,
      where(name),
      'a whole number above 0',
      config[name],
    );
  for (const name of ['classes', 'layers'] as const)
    expectOption(Number.isInteger(config[name]) && config[name] >= 0, where(name), 'a whole number ≥ 0', config[name]);
  expectOption(width % heads === 0, where('heads'), `a divisor of the width ${width}`, heads);
  for (const name of ['dropout', 'attentionDropout'] as const)
    expectOption(config[name] >= 0 && config[name] < 1, where(name), 'a number in 0..1, 1 excluded', config[name]);
  expectNumber(where('initializerRange'), initializerRange, 0, Number.MAX_VALUE);
}

/** The id of a masked token: V. */
export const maskId = (config: Pick<GeneratorConfig, 'codebookSize'>): number => config.codebookSize;

/** The label that stands for no class: C. */
export const nullLabel = (config: Pick<GeneratorConfig, 'classes'>): number => config.classes;

/** How many ids the generator's embedding has: V image tokens, the mask, C classes and no class. */
export const vocabularySize = (config: Pick<GeneratorConfig, 'codebookSize' | 'classes'>): number =>
  config.codebookSize + 2 + config.classes;
