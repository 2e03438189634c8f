/** A generator that starts from another one and learns other classes. */
import { embedding, expectOption, noGrad, tensor, tidy } from '../core/index.ts';
import { loadStateDict, stateDict } from '../nn/index.ts';
import { vocabularySize } from './config.ts';
import type { Generator } from './generator.ts';

/** The embedding of the vocabulary, in both architectures. */
const isVocabulary = (name: string): boolean => /(^|word_)embeddings\.weight$/.test(name);

/**
 * Copies the weights of a generator of the same sizes. Embeddings of classes go by name: those that both know keep theirs, new
 * ones begin as "no class".
 *
 * @param classes  names of the classes, in the order of `model`'s labels
 * @param before   those of `from`
 * @throws CheckpointError when the generators differ in more than their classes; OptionError unless each class has one name
 */
export function startFrom(
  model: Generator,
  from: Generator,
  classes: readonly string[],
  before: readonly string[],
): void {
  for (const [what, { config }, names] of [
    ['classes', model, classes],
    ['before', from, before],
  ] as const)
    expectOption(names.length === config.classes, `startFrom, ${what}`, `${config.classes} names`, names.length);
  const first = from.config.codebookSize + 1; // the id of class 0
  const noClass = vocabularySize(from.config) - 1;
  const rows = [
    ...Array.from({ length: first }, (_, id) => id), // image tokens and the mask
    ...classes.map((name) => (before.includes(name) ? first + before.indexOf(name) : noClass)),
    noClass,
  ];
  noGrad(() =>
    tidy(() => {
      const ids = tensor(rows, [rows.length], { dtype: 'int32' });
      const entries = Object.entries(stateDict(from));
      const weights = entries.map(([name, t]) => [name, isVocabulary(name) ? embedding(t, ids) : t]);
      loadStateDict(model, Object.fromEntries(weights), { source: 'generator to start from' });
    }),
  );
}
