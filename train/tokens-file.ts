/** A file of tokens in place of images: whether it fits a tokenizer, and what checkpoints keep of it. */
import { DataError } from '../core/index.ts';
import type { TokensFile } from '../data/index.ts';
import type { Origin } from './origin.ts';

/** The tokenizer whose tokens a generator learns. */
export interface TokensOf {
  readonly latentTokens: number;
  readonly codebookSize: number;
  /** Its fingerprint. */
  readonly tokenizer: string;
}

/** @throws DataError when the tokens of a file are not those of a tokenizer, as far as the file tells */
export function expectTokensOf(file: TokensFile, { latentTokens, codebookSize, tokenizer }: TokensOf): void {
  const { path, largest, madeBy } = file;
  const fail = (expected: string, got: string) => {
    throw new DataError(
      `${path}: expected ${expected}, got ${got}. Write it with the tokenizer of this run: titok tokenize --data PATH --out FILE --name RUN (or --model MODEL; of a teacher, --checkpoint runs/RUN/teacher.safetensors).`,
    );
  };
  if (file.latentTokens !== latentTokens)
    fail(`rows of ${latentTokens} tokens, as the tokenizer makes`, `rows of ${file.latentTokens}`);
  if (largest.id >= codebookSize)
    fail(`tokens from 0 to ${codebookSize - 1}, as the tokenizer makes`, `${largest.id} in line ${largest.line}`);
  if (!madeBy) return;
  if (madeBy.codebookSize !== codebookSize)
    fail(`tokens of a codebook of ${codebookSize}`, `those of one of ${madeBy.codebookSize}`);
  if (madeBy.tokenizer !== tokenizer)
    fail(`tokens of the tokenizer ${tokenizer}`, `those of another, ${madeBy.tokenizer}, of the same sizes`);
}

/** What a training on a file keeps in its checkpoints. @param imageSize  the tokenizer's */
export const originOfTokens = (
  seed: number,
  { classes, labels, fingerprint }: TokensFile,
  imageSize: number,
): Origin => ({
  seed,
  data: {
    tokens: true,
    classes: [...classes],
    imageSize,
    train: { count: labels.length, fingerprint },
    heldOut: { count: 0, fingerprint: '' },
    mirrored: [],
  },
});
