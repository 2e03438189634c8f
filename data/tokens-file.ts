/**
 * Files of tokens: JSONL, a line for each image, as the published code reads and writes them.
 *
 *   {"class_id": 0, "tokens": [12, 7, 3, 9], "made_by": {"tokenizer": "0f3c…", "codebook_size": 16, "classes": ["cats"]}}
 *   {"class_id": 0, "tokens": [2, 7, 1, 0]}
 *
 * Our files say in their first line what made them. Other readers pass over that key; files without it are read as well.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { DataError } from '../core/index.ts';
import { reason } from './errors.ts';
import { gotInstead, otherThanFile } from './file-kind.ts';

/** What made a file of tokens. */
export interface TokensMadeBy {
  /** The tokenizer's fingerprint. */
  readonly tokenizer: string;
  readonly codebookSize: number;
  /** Names of the classes 0, 1, … */
  readonly classes: readonly string[];
}

/** Token rows and their classes. */
export interface TokensFile {
  readonly path: string;
  /** rows·K ids */
  readonly tokens: Int32Array;
  /** rows; a class each */
  readonly labels: Int32Array;
  /** K */
  readonly latentTokens: number;
  /** The largest id, and the line that it is in, from 1. */
  readonly largest: { readonly id: number; readonly line: number };
  /** As the file says, else '0', '1', … */
  readonly classes: readonly string[];
  readonly madeBy?: TokensMadeBy;
  /** 16 hex digits from tokens and classes, in their order. */
  readonly fingerprint: string;
}

/** A line of a file, with its end. @param madeBy  for the first line */
export function tokenLine(label: number, tokens: readonly number[], madeBy?: TokensMadeBy): string {
  const { tokenizer, codebookSize, classes } = madeBy ?? {};
  const origin = madeBy && { made_by: { tokenizer, codebook_size: codebookSize, classes } };
  return `${JSON.stringify({ class_id: label, tokens, ...origin })}\n`;
}

const mostId = 65_535; // of tokens and classes, as in models
const mostTokens = 65_536;
const expected = `{"class_id": …, "tokens": […]}, whole numbers from 0 to ${mostId}`;

/**
 * Reads a file of tokens, a piece at a time: it takes 4 bytes of memory for each token, and may be larger than 2 GB.
 *
 * @throws DataError naming the line that is no row of tokens, or has another number of them than the lines before
 */
export function readTokensFile(path: string): TokensFile {
  let [latentTokens, rows] = [0, 0];
  let largest = { id: -1, line: 0 };
  let madeBy: TokensMadeBy | undefined;
  let tokens = new Int32Array(1 << 16);
  let labels = new Int32Array(1 << 12);
  for (const [i, text] of linesOf(path)) {
    if (text.trim() === '') continue;
    const where = `${path}:${i}`;
    const row = parseRow(text, where);
    madeBy ??= row.madeBy;
    if (rows === 0) latentTokens = row.tokens.length;
    if (row.tokens.length !== latentTokens) {
      throw new DataError(
        `${where}: expected ${latentTokens} tokens, as in the lines before, got ${row.tokens.length}.`,
      );
    }
    tokens = withRoom(tokens, (rows + 1) * latentTokens);
    labels = withRoom(labels, rows + 1);
    tokens.set(row.tokens, rows * latentTokens);
    labels[rows++] = row.label;
    for (const id of row.tokens) if (id > largest.id) largest = { id, line: i };
  }
  if (rows === 0) throw new DataError(`${path}: expected lines of ${expected}, got none.`);
  [tokens, labels] = [tokens.subarray(0, rows * latentTokens), labels.subarray(0, rows)];
  const count = labels.reduce((most, label) => Math.max(most, label + 1), madeBy?.classes.length ?? 0);
  if (madeBy && count > madeBy.classes.length) {
    throw new DataError(
      `${path}: expected classes from 0 to ${madeBy.classes.length - 1}, of which it has names, got ${count - 1}.`,
    );
  }
  const classes = madeBy?.classes ?? Array.from({ length: count }, (_, i) => String(i));
  const fingerprint = createHash('sha256').update(labels).update(tokens).digest('hex').slice(0, 16);
  return { path, tokens, labels, latentTokens, largest, classes, fingerprint, ...(madeBy && { madeBy }) };
}

function withRoom(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  if (length <= array.length) return array;
  const larger = new Int32Array(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}

function parseRow(text: string, where: string): { label: number; tokens: number[]; madeBy?: TokensMadeBy } {
  const fail = (got: string, cause?: unknown): never => {
    throw new DataError(`${where}: expected ${expected}, got ${got}.`, { cause });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    fail(`'${text.slice(0, 40)}'`, error);
  }
  const { class_id: label, tokens, made_by: origin } = (json ?? {}) as Readonly<Record<string, unknown>>;
  if (!isId(label)) return fail(`class_id ${JSON.stringify(label)?.slice(0, 40)}`);
  if (!Array.isArray(tokens) || tokens.length === 0) return fail(`tokens ${JSON.stringify(tokens)?.slice(0, 40)}`);
  if (tokens.length > mostTokens) return fail(`${tokens.length} tokens`);
  const bad: unknown = tokens.find((id) => !isId(id));
  if (bad !== undefined) return fail(`the token ${JSON.stringify(bad).slice(0, 40)}`);
  return { label, tokens: tokens as number[], ...(origin !== undefined && { madeBy: parseOrigin(origin, where) }) };
}

const isId = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= mostId;

function parseOrigin(origin: unknown, where: string): TokensMadeBy {
  const { tokenizer, codebook_size: codebookSize, classes } = (origin ?? {}) as Readonly<Record<string, unknown>>;
  const areNames = Array.isArray(classes) && classes.length > 0 && classes.every((name) => typeof name === 'string');
  if (typeof tokenizer === 'string' && Number.isInteger(codebookSize) && areNames)
    return { tokenizer, codebookSize: codebookSize as number, classes: classes as string[] };
  throw new DataError(
    `${where}: expected made_by with tokenizer, codebook_size and classes, got ${JSON.stringify(origin).slice(0, 80)}.`,
  );
}

const pieceBytes = 1 << 20;
const mostLineBytes = 1 << 24;

/** Lines with their numbers, from 1. @throws DataError when it cannot be read */
function* linesOf(path: string): Generator<[number: number, text: string]> {
  let file: number | undefined;
  try {
    const other = otherThanFile(fs.statSync(path));
    if (other) throw new DataError(`${path}: expected a file of tokens, ${gotInstead(other)}`);
    file = fs.openSync(path, 'r');
    const piece = Buffer.alloc(pieceBytes);
    let rest: Buffer = Buffer.alloc(0);
    let line = 0;
    for (let got = 1; got > 0; ) {
      got = fs.readSync(file, piece);
      const bytes = Buffer.concat([rest, piece.subarray(0, got)]);
      let start = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
        yield [++line, bytes.toString('utf8', start, end)];
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (rest.length > mostLineBytes)
        throw new DataError(`${path}:${line + 1}: expected ${expected}, got a line of more than 16 MB.`);
    }
    if (rest.length > 0) yield [line + 1, rest.toString('utf8')];
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: expected a file of tokens, got ${reason(error)}.`, { cause: error });
  } finally {
    if (file !== undefined) fs.closeSync(file);
  }
}
