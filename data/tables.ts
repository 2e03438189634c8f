/**
 * Tables that list pictures: CSV or TSV with a header, or JSONL, an object a line.
 *
 *   file,label,split        file, file_name, filename, path or image: a path from the table's folder
 *   images/1.jpg,cat,train  label, class, class_name or category; may be left out
 *   images/2.jpg,dog,val    split: train, val, test; default: what the names of the table and its folders tell
 *
 * A row that is there twice counts once. Files are in UTF-8, or in UTF-16 with a byte order mark.
 */
import { dirname, isAbsolute, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DataError } from '../core/index.ts';
import { dataBytes } from './data-bytes.ts';
import { megabytes, reason } from './errors.ts';
import type { LeftOutCounter } from './left-out.ts';
import { nameBelow, type Sample, type Samples } from './samples.ts';
import { splitOf, toldSplit } from './split.ts';

const fileColumns = ['file', 'file_name', 'filename', 'path', 'image'];
const classColumns = ['label', 'class', 'class_name', 'category'];
const splitColumns = ['split'];

type Row = Readonly<Record<string, unknown>>;

/** Whether a file is a table with a column of pictures. @param head  its first bytes */
export function isTable(path: string, head: Uint8Array): boolean {
  const line = decoderOf(head, false).decode(head).split(/\r?\n/, 1)[0]; // biome-ignore format: one thought
  if (/\.jsonl$/i.test(path)) return fileColumns.some((name) => line.includes(`"${name}"`));
  if (!/\.[ct]sv$/i.test(path)) return false;
  const columns = line.split(/[,;\t]/).map((name) => name.trim().replace(/^"(.*)"$/, '$1').toLowerCase()); // biome-ignore format: one thought
  return fileColumns.some((name) => columns.includes(name));
}

/**
 * Reads tables.
 *
 * @throws DataError for rows without a file, for some with a class and some without, for a picture of two classes or splits, a
 *   split of another name, or damaged rows
 */
export async function readTables(paths: readonly string[], root: string, leftOut: LeftOutCounter): Promise<Samples> {
  const samples: Sample[] = [];
  const listed = new Map<string, { readonly sample: Sample; readonly at: string }>();
  let hasClasses = false;
  let unlabeled: string | undefined; // the first row without a class
  for (const path of paths) {
    const rows = /\.jsonl$/i.test(path) ? jsonRows(path) : await csvRows(path);
    for (const { row, line } of rows) {
      const at = `${path}:${line}`;
      const file = textOf(row, fileColumns, at);
      if (file === undefined) {
        throw new DataError(`${at}: expected a picture in ${fileColumns.join(', ')}, got none.`);
      }
      const className = textOf(row, classColumns, at);
      if (className === undefined) unlabeled ??= at;
      hasClasses ||= className !== undefined;
      if (unlabeled !== undefined && hasClasses) {
        throw new DataError(
          `${unlabeled}: expected a class in ${classColumns.join(', ')}, as in other rows, got none.`,
        );
      }
      const source = isAbsolute(file) ? file : join(dirname(path), file);
      const told = textOf(row, splitColumns, at);
      const split = told === undefined ? splitOf(nameBelow(root, path)) : toldSplit(told);
      if (!split) throw new DataError(`${at}: expected a split train, val or test, got '${told}'.`);
      const sample = { source, name: nameBelow(root, source), split, ...(className !== undefined && { className }) };
      const before = listed.get(source);
      if (!before) {
        listed.set(source, { sample, at });
        samples.push(sample);
      } else if (isDeepStrictEqual(before.sample, sample)) {
        leftOut.add('listed twice', sample.name);
      } else {
        const both = [before.sample, sample].map(({ split, className = 'no class' }) => `${className} in ${split}`);
        throw new DataError(
          `${at}: expected each picture in one class and one split, got ${sample.name} as ${both[1]}, and as ${both[0]} in ${before.at}.`,
        );
      }
    }
  }
  return { samples };
}

/** The value of the first column that is there, as text. @throws DataError for a list or an object */
function textOf(row: Row, columns: readonly string[], where: string): string | undefined {
  const isThere = (name: string) => row[name] !== undefined && row[name] !== null && row[name] !== '';
  const name = columns.find(isThere);
  if (name === undefined) return undefined;
  const value = row[name];
  if (typeof value !== 'object') return String(value);
  throw new DataError(`${where}: expected a text or a number as '${name}', got ${JSON.stringify(value).slice(0, 40)}.`);
}

const mostBytes = 400e6; // Node's longest text has 512 million letters

/** UTF-8, or what a byte order mark tells: spreadsheets write UTF-16. */
function decoderOf(bytes: Uint8Array, fatal: boolean): TextDecoder {
  const mark = `${bytes[0]} ${bytes[1]}`;
  return new TextDecoder(mark === '255 254' ? 'utf-16le' : mark === '254 255' ? 'utf-16be' : 'utf-8', { fatal });
}

function textOfFile(path: string): string {
  const bytes = dataBytes(path);
  if (bytes.length <= mostBytes) {
    try {
      return decoderOf(bytes, true).decode(bytes);
    } catch {
      throw new DataError(`${path}: expected a table in UTF-8, got other bytes. Save it as UTF-8.`);
    }
  }
  throw new DataError(
    `${path}: expected a table of at most ${megabytes(mostBytes)}, got ${megabytes(bytes.length)}. Split it.`,
  );
}

function jsonRows(path: string): { row: Row; line: number }[] {
  const lines = textOfFile(path).split('\n');
  return lines.flatMap((text, i) => {
    if (text.trim() === '') return [];
    try {
      const row: unknown = JSON.parse(text);
      if (typeof row === 'object' && row !== null && !Array.isArray(row)) return [{ row: row as Row, line: i + 1 }];
      throw new Error(`'${text.slice(0, 40)}'`);
    } catch (error) {
      throw new DataError(`${path}:${i + 1}: expected an object of JSON, got ${reason(error)}.`, { cause: error });
    }
  });
}

/** @throws Error when a column that is read is there twice, of which one would win */
function columnNames(header: readonly string[]): string[] {
  const names = header.map((name) => name.trim().toLowerCase());
  const twice = [...fileColumns, ...classColumns, ...splitColumns].find(
    (name) => names.indexOf(name) !== names.lastIndexOf(name),
  );
  if (twice !== undefined) throw new Error(`the column '${twice}' twice`);
  return names;
}

async function csvRows(path: string): Promise<{ row: Row; line: number }[]> {
  const { parse } = await import('csv-parse/sync');
  const text = textOfFile(path);
  const first = text.split('\n', 1)[0];
  const delimiter = ['\t', ';', ','].find((mark) => first.includes(mark)) ?? ',';
  try {
    const rows: { record: Record<string, string>; info: { lines: number } }[] = parse(text, {
      columns: columnNames,
      delimiter,
      info: true,
      skip_empty_lines: true,
      trim: true,
    });
    return rows.map(({ record, info }) => ({ row: record, line: info.lines }));
  } catch (error) {
    throw new DataError(`${path}: expected a table of ${delimiter === '\t' ? 'TSV' : 'CSV'}, got ${reason(error)}.`, {
      cause: error,
    });
  }
}
