/**
 * Parquet files as the Hugging Face hub has them: a column of pictures, { bytes, path }, and one of classes, whose names stand in
 * the file's metadata.
 *
 * @see https://huggingface.co/docs/hub/datasets-image
 */
import { basename } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { AsyncBuffer, Compressors, FileMetaData } from 'hyparquet';
import { DataError } from '../core/index.ts';
import { dataBytes } from './data-bytes.ts';
import { reason, Undecodable } from './errors.ts';
import { mostUnpacked } from './limits.ts';
import { columnsOf, expectMetadata, expectPages, expectRuns, expectSchema } from './parquet-pages.ts';
import { nameBelow, type Sample, type Samples, splitOf } from './samples.ts';

const pictureColumns = ['image', 'img', 'picture', 'jpg', 'png', 'webp'];
const classColumns = ['label', 'labels', 'fine_label', 'class', 'cls'];

const mostOpen = 2; // files

/**
 * Lists the pictures of Parquet files. A file is read as a whole, its pages are unpacked when a picture is asked for, and the
 * last two files stay in memory: pictures are asked for in their order.
 *
 * @throws DataError for files without a column of pictures, damaged ones, or those beyond 2 GB
 */
export async function readParquet(paths: readonly string[], root: string): Promise<Samples> {
  const samples: Sample[] = [];
  let names: readonly string[] | undefined;
  const opened = new Map<string, ReturnType<typeof readFile>>();
  const open = (path: string) => {
    const file = opened.get(path) ?? attempt(path, () => readFile(path));
    opened.set(path, file);
    for (const other of [...opened.keys()].slice(0, -mostOpen)) opened.delete(other);
    return file;
  };
  for (const path of paths) {
    const found = await open(path);
    names ??= found.names;
    const split = splitOf(basename(path));
    const name = nameBelow(root, path);
    for (let row = 0; row < found.rows; row++) {
      const className = found.labels?.[row];
      samples.push({
        source: async () => (await open(path)).picture(row),
        name: `${name}#${row}`,
        split,
        ...(className !== undefined && { className }),
      });
    }
  }
  return { samples, ...(names && { classes: names }) };
}

async function readFile(path: string) {
  const { parquetMetadata, parquetReadObjects } = await import('hyparquet');
  const bytes = dataBytes(path);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  const file: AsyncBuffer = { byteLength: buffer.byteLength, slice: (start, end) => buffer.slice(start, end) };
  expectMetadata(buffer);
  const metadata = parquetMetadata(buffer, { geoparquet: false });
  expectSchema(metadata);
  const rows = Number(metadata.num_rows);
  const groups = groupsOf(path, metadata, buffer.byteLength);
  const columns = metadata.schema.map(({ name }) => name);
  const pictures = pictureColumns.find((name) => columns.includes(name));
  if (pictures === undefined) {
    throw new DataError(`${path}: expected a column ${pictureColumns.join(', ')}, got ${columns.slice(1).join(', ')}.`);
  }
  const labelColumn = classColumns.find((name) => columns.includes(name));
  const names = labelColumn === undefined ? undefined : classNames(metadata, labelColumn);
  for (const group of metadata.row_groups)
    for (const column of columnsOf(group, [pictures, labelColumn ?? pictures]))
      await expectPages(buffer, column, group.num_rows);
  const compressors = await boundedCompressors(path);
  const read = async (name: string, rowStart: number, rowEnd: number) => {
    for (const [i, { from, to }] of groups.entries()) {
      if (from >= rowEnd || to <= rowStart) continue;
      const group = metadata.row_groups[i];
      for (const column of columnsOf(group, [name]))
        await expectRuns(buffer, metadata, column, group.num_rows, compressors);
    }
    return parquetReadObjects({ file, metadata, columns: [name], rowStart, rowEnd, compressors, utf8: false });
  };
  const labels =
    labelColumn &&
    (await read(labelColumn, 0, rows)).map((row) => classOf(row[labelColumn], names, `${path}, ${labelColumn}`));
  if (labels && labels.length !== rows) throw new Error(`${labels.length} labels for ${rows} rows`);

  let last: { readonly from: number; readonly rows: Promise<Record<string, unknown>[]> } | undefined;
  /** Row groups are unpacked one at a time: pictures are asked for in their order. */
  const picture = async (row: number): Promise<Uint8Array> => {
    const { from, to } = groups.find(({ to }) => row < to)!;
    if (last?.from !== from) last = { from, rows: read(pictures, from, to) };
    const group = last.rows;
    try {
      const value = (await group)[row - from]?.[pictures];
      const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null | undefined)?.bytes;
      if (bytes instanceof Uint8Array && bytes.length > 0) return bytes;
    } catch (error) {
      throw error instanceof DataError ? error : new Undecodable(`damaged pages (${reason(error)})`);
    }
    throw new Undecodable('a row without the bytes of a picture');
  };
  return { rows, labels: labels || undefined, names, picture };
}

/** The rows of each row group. @throws DataError when there are more than a file of that size can hold */
function groupsOf(path: string, metadata: FileMetaData, size: number): { from: number; to: number }[] {
  let to = 0;
  const groups = metadata.row_groups.map(({ num_rows }) => {
    const from = to;
    to += Number(num_rows);
    return { from, to };
  });
  if (to === Number(metadata.num_rows) && to <= size && groups.every(({ from, to }) => from <= to)) return groups;
  throw new DataError(
    `${path}: expected ${metadata.num_rows} rows of pictures, got ${to} in ${size} bytes. Is the file damaged?`,
  );
}

/** 'datasets' writes its types as JSON. */
function classNames({ key_value_metadata }: FileMetaData, column: string): readonly string[] | undefined {
  const text = key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
  if (text === undefined) return undefined;
  const names = JSON.parse(text)?.info?.features?.[column]?.names;
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : undefined;
}

function classOf(value: unknown, names: readonly string[] | undefined, where: string): string {
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (typeof value === 'string') return value;
  const number = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : Number.NaN;
  const name = names ? names[number] : String(number);
  if (Number.isInteger(number) && number >= 0 && name !== undefined) return name;
  const range = names ? `0..${names.length - 1}` : 'whole numbers from 0, or text';
  throw new DataError(`${where}: expected ${range}, got ${value}.`);
}

/** A page says to what it unpacks, and room for that is made first: it must be possible. */
async function boundedCompressors(path: string): Promise<Compressors> {
  const { snappyUncompress } = await import('hyparquet');
  const bounded =
    (unpack: (input: Uint8Array, length: number) => Uint8Array) => (input: Uint8Array, length: number) => {
      if (length >= 0 && length <= mostUnpacked(input.length)) return unpack(input, length);
      throw new DataError(
        `${path}: expected pages that unpack to at most ${mostUnpacked(input.length)} bytes, got ${input.length} bytes for ${length}.`,
      );
    };
  return {
    SNAPPY: bounded((input, length) => {
      const output = new Uint8Array(length);
      snappyUncompress(input, output);
      return output;
    }),
    GZIP: bounded((input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) })),
    BROTLI: bounded((input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) })),
  };
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(
      `${path}: expected a Parquet file, got a damaged one, or one that is not understood (${reason(error)}).`,
      {
        cause: error,
      },
    );
  }
}
