/**
 * Tables that list pictures: CSV or TSV with a header, or JSONL, an object a line.
 *
 *   file,label,split        file, file_name, filename, path or image: a path from the table's folder
 *   images/1.jpg,cat,train  label, class, class_name or category; may be left out
 *   images/2.jpg,dog,val    split: train, val, test; default: what the names of the table and its folders tell
 */
import { dirname, isAbsolute, join } from 'node:path';
import { DataError } from '../core/index.ts';
import { dataBytes } from './data-bytes.ts';
import { megabytes, reason } from './errors.ts';
import { nameBelow, type Sample, type Samples } from './samples.ts';
import { splitOf } from './split.ts';

const fileColumns = ['file', 'file_name', 'filename', 'path', 'image'];
const classColumns = ['label', 'class', 'class_name', 'category'];
const splitColumns = ['split'];

type Row = Readonly<Record<string, unknown>>;

/** Whether a file is a table with a column of pictures. @param head  its first bytes */
export function isTable(path: string, head: Uint8Array): boolean {
  const line = new TextDecoder().decode(head).replace(/^\ufeff/, '').split(/\r?\n/, 1)[0]; // biome-ignore format: one thought
  if (/\.jsonl$/i.test(path)) return fileColumns.some((name) => line.includes(`"${name}"`));
  if (!/\.[ct]sv$/i.test(path)) return false;
  const columns = line.split(/[,;\t]/).map((name) => name.trim().replace(/^"(.*)"$/, '$1').toLowerCase()); // biome-ignore format: one thought
  return fileColumns.some((name) => columns.includes(name));
}

/**
 * Reads tables.
 *
 * @throws DataError for rows without a file, for some with a class and some without, or damaged ones
 */
export async function readTables(paths: readonly string[], root: string): Promise<Samples> {
  const samples: Sample[] = [];
  let hasClasses = false;
  let unlabeled: string | undefined; // the first row without a class
  for (const path of paths) {
    const rows = /\.jsonl$/i.test(path) ? jsonRows(path) : await csvRows(path);
    for (const { row, line } of rows) {
      const file = textOf(row, fileColumns);
      if (file === undefined) {
        throw new DataError(`${path}:${line}: expected a picture in ${fileColumns.join(', ')}, got none.`);
      }
      const className = textOf(row, classColumns);
      if (className === undefined) unlabeled ??= `${path}:${line}`;
      hasClasses ||= className !== undefined;
      if (unlabeled !== undefined && hasClasses) {
        throw new DataError(
          `${unlabeled}: expected a class in ${classColumns.join(', ')}, as in other rows, got none.`,
        );
      }
      const source = isAbsolute(file) ? file : join(dirname(path), file);
      const split = splitOf(textOf(row, splitColumns) ?? nameBelow(root, path));
      samples.push({ source, name: nameBelow(root, source), split, ...(className !== undefined && { className }) });
    }
  }
  return { samples };
}

/** The value of the first column that is there, as text. */
function textOf(row: Row, columns: readonly string[]): string | undefined {
  const value = columns.map((name) => row[name]).find((value) => value !== undefined && value !== null && value !== '');
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

const mostBytes = 400e6; // Node's longest text has 512 million letters

function textOfFile(path: string): string {
  const bytes = dataBytes(path);
  if (bytes.length <= mostBytes) return bytes.toString('utf8');
  throw new DataError(
    `${path}: expected a table of at most ${megabytes(mostBytes)}, got ${megabytes(bytes.length)}. Split it.`,
  );
}

function jsonRows(path: string): { row: Row; line: number }[] {
  const lines = textOfFile(path)
    .replace(/^\ufeff/, '')
    .split('\n');
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

async function csvRows(path: string): Promise<{ row: Row; line: number }[]> {
  const { parse } = await import('csv-parse/sync');
  const text = textOfFile(path);
  const first = text.split('\n', 1)[0];
  const delimiter = ['\t', ';', ','].find((mark) => first.includes(mark)) ?? ',';
  try {
    const rows: { record: Record<string, string>; info: { lines: number } }[] = parse(text, {
      bom: true,
      columns: (names: string[]) => names.map((name) => name.trim().toLowerCase()),
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
