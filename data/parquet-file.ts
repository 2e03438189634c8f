/**
 * A Parquet file with a column of pictures, of which one page at a time is read: files larger than memory, in any order. A row
 * group's column is a row of pages, each with some pictures.
 */
import { statSync } from 'node:fs';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { AsyncBuffer, Compressors, FileMetaData } from 'hyparquet';
import { DataError } from '../core/index.ts';
import { reason, Undecodable } from './errors.ts';
import { type FilePart, readPart } from './file-part.ts';
import { mostUnpacked } from './limits.ts';
import {
  type Column,
  columnOf,
  dictionaryOf,
  expectRuns,
  expectSchema,
  footerOf,
  foundPage,
  isInDictionary,
  pagesOf,
} from './parquet-pages.ts';
import { Recent } from './recent.ts';

/** A picture of a Parquet file: the page that it lies in, and its place there. */
export interface ParquetCell extends FilePart {
  /** Of the row group. */
  readonly group: number;
  /** In the page. */
  readonly row: number;
}

/** A Parquet file whose metadata has been read. */
export interface ParquetFile {
  /** Names of its columns. */
  readonly columns: readonly string[];
  /** Values of the metadata, by their keys. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The place of each picture. @throws DataError for pages that cannot be right */
  cells(): Promise<ParquetCell[]>;
  /** All values of a column. @throws DataError */
  values(column: string): Promise<unknown[]>;
  /** The bytes of a picture's file. @throws Undecodable; DataError for pages that unpack to more than is plausible */
  picture(cell: ParquetCell): Promise<Uint8Array>;
}

/** Columns that pictures are looked for in; the first that there is. */
const pictureColumns = ['image', 'img', 'picture', 'jpg', 'png', 'webp'];

const mostOpen = 64; // files
const mostBytes = 2 ** 26; // of the pages that are kept unpacked, of all files
const opened = new Recent<Promise<ParquetFile>>(mostOpen);
const pages = new Recent<Promise<Unpacked>>(mostBytes);

/** The rows of a page, and the memory that they are views of. */
interface Unpacked {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly bytes: number;
}

/** The bytes of a picture's file. Keeps 64 MB of unpacked pages, so that pictures close to each other are cheap. @throws Undecodable */
export async function readCell(cell: ParquetCell): Promise<Uint8Array> {
  const { path } = cell;
  try {
    return await (await opened.get(path, 1, () => openParquet(path))).picture(cell);
  } catch (error) {
    if (error instanceof DataError || error instanceof Undecodable) throw error;
    throw new Undecodable(`damaged pages (${reason(error)})`, '', undefined, { cause: error });
  }
}

let files = 0;

/** Reads a file's metadata. @throws DataError for a damaged file, or one without a column of pictures */
export const openParquet = (path: string): Promise<ParquetFile> => {
  const file = attempt(path, () => open(path));
  opened.set(path, 1, file);
  return file;
};

async function open(path: string): Promise<ParquetFile> {
  const { parquetMetadata, parquetReadObjects } = await import('hyparquet');
  const own = files++;
  const { size } = statSync(path);
  const read = (position: number, size: number) => readPart({ path, position, size });
  const metadata = parquetMetadata(footerOf(read, size).buffer as ArrayBuffer, { geoparquet: false });
  expectSchema(metadata);
  expectRows(path, metadata, size);
  const columns = metadata.schema.map(({ name }) => name).slice(1);
  const pictures = pictureColumns.find((name) => columns.includes(name));
  if (pictures === undefined)
    throw new DataError(`${path}: expected a column ${pictureColumns.join(', ')}, got ${columns.join(', ')}.`);
  const [schema, leaf] = pictureSchema(metadata, pictures);
  const compressors = await boundedCompressors(path);

  async function cells(): Promise<ParquetCell[]> {
    const found: ParquetCell[] = [];
    for (const [group, rowGroup] of metadata.row_groups.entries()) {
      const first = found.length;
      const column = columnOf(rowGroup, leaf);
      expectCodec(path, column, compressors);
      for (const page of await pagesOf(read, size, column, rowGroup.num_rows)) {
        const { isDictionary, values, position, size } = page;
        for (let row = 0; !isDictionary && row < values; row++) found.push({ path, position, size, group, row });
      }
      if (BigInt(found.length - first) !== rowGroup.num_rows)
        throw new Error(`pages of ${found.length - first} pictures for ${rowGroup.num_rows} rows`);
    }
    return found;
  }

  async function values(name: string): Promise<unknown[]> {
    for (const group of metadata.row_groups) {
      const column = columnOf(group, [name]);
      expectCodec(path, column, compressors);
      for (const page of await pagesOf(read, size, column, group.num_rows))
        expectRuns(page, read(page.position, page.size), metadata, column, compressors);
    }
    const slice: AsyncBuffer['slice'] = (start, end = size) => read(start, end - start).buffer as ArrayBuffer;
    const file: AsyncBuffer = { byteLength: size, slice };
    const rows = await parquetReadObjects({ file, metadata, columns: [name], compressors, utf8: false });
    if (rows.length !== Number(metadata.num_rows))
      throw new Error(`${rows.length} values for ${metadata.num_rows} rows`);
    return rows.map((row) => row[name]);
  }

  /** Unpacks a page once for two readers: the check of its runs, and then hyparquet. */
  function oncePerPage(codec: Column['codec']): Compressors {
    const unpack = compressors[codec];
    if (!unpack) return compressors;
    const done: { readonly input: Uint8Array; readonly output: Uint8Array }[] = []; // the page, and its dictionary
    return {
      [codec]: (input: Uint8Array, length: number) => {
        const known = done.find((one) => one.output.length === length && Buffer.compare(one.input, input) === 0);
        if (known) return known.output;
        const output = unpack(input, length);
        done.push({ input, output });
        return output;
      },
    };
  }

  /** The rows of a page. hyparquet gets a small file: the column's dictionary, if the page needs it, then the page. */
  async function unpacked(cell: ParquetCell): Promise<Unpacked> {
    const column = columnOf(metadata.row_groups[cell.group], leaf);
    const page = await foundPage(read, cell, column);
    const bytes = read(page.position, page.size);
    const compressors = oncePerPage(column.codec);
    expectRuns(page, bytes, { schema }, column, compressors);
    const dictionary = isInDictionary(page) ? await dictionaryOf(read, column) : undefined;
    const front = dictionary ? read(dictionary.position, dictionary.size) : new Uint8Array(0);
    const whole = new Uint8Array(magic + front.length + bytes.length);
    whole.set(front, magic);
    whole.set(bytes, magic + front.length);
    const rowGroup = rowGroupOf(column, page.values, front.length, bytes.length);
    const rows = await parquetReadObjects({
      file: { byteLength: whole.length, slice: (start, end) => whole.buffer.slice(start, end) },
      metadata: { ...metadata, schema, num_rows: BigInt(page.values), row_groups: [rowGroup] },
      columns: [pictures!],
      compressors,
      utf8: false,
    });
    return { rows, bytes: page.unpacked + (dictionary?.unpacked ?? 0) };
  }

  async function picture(cell: ParquetCell): Promise<Uint8Array> {
    const key = `${own} ${cell.position}`;
    const page = pages.get(key, cell.size, () => unpacked(cell));
    const { rows, bytes: size } = await page;
    pages.set(key, size, page);
    const value = rows[cell.row]?.[pictures!];
    const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null | undefined)?.bytes;
    if (bytes instanceof Uint8Array && bytes.length > 0) return bytes;
    throw new Undecodable('a row without the bytes of a picture');
  }

  return {
    columns,
    metadata: new Map(metadata.key_value_metadata?.map(({ key, value = '' }) => [key, value])),
    cells: () => attempt(path, cells),
    values: (column) => attempt(path, () => values(column)),
    picture,
  };
}

const magic = 4; // bytes in front of the first page

/** @throws DataError when there are more rows than a file of that size can hold */
function expectRows(path: string, { row_groups, num_rows }: FileMetaData, size: number): void {
  const sum = row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  if (sum === Number(num_rows) && sum <= size && row_groups.every((group) => group.num_rows >= 0)) return;
  throw new DataError(
    `${path}: expected ${num_rows} rows of pictures, got ${sum} in ${size} bytes. Is the file damaged?`,
  );
}

/** The part of the schema that the column of bytes is in, and the column's path. @throws Error */
function pictureSchema({ schema }: FileMetaData, name: string): readonly [FileMetaData['schema'], readonly string[]] {
  const at = schema.findIndex((element, i) => i > 0 && element.name === name);
  const column = schema[at];
  const children = column.num_children ?? 0;
  const inside = schema.slice(at + 1, at + 1 + children).find((element) => element.name === 'bytes');
  if (children > 0 && !inside) throw new Error(`a column ${name} without bytes`);
  const path = inside ? [{ ...column, num_children: 1 }, inside] : [column];
  if (path.some(({ repetition_type }) => repetition_type === 'REPEATED'))
    throw new Error(`several pictures in a row of ${name}`);
  return [[{ ...schema[0], num_children: 1 }, ...path], path.map((element) => element.name)];
}

/** Metadata of a row group that has one column of one page. */
function rowGroupOf(column: Column, values: number, front: number, bytes: number): FileMetaData['row_groups'][number] {
  const { dictionary_page_offset: _, statistics: _s, ...rest } = column;
  const meta_data: Column = {
    ...rest,
    num_values: BigInt(values),
    ...(front > 0 && { dictionary_page_offset: BigInt(magic) }),
    data_page_offset: BigInt(magic + front),
    total_compressed_size: BigInt(front + bytes),
  };
  return {
    columns: [{ file_offset: BigInt(magic), meta_data }],
    num_rows: BigInt(values),
    total_byte_size: BigInt(front + bytes),
  };
}

/** @throws DataError that names a compression which is not read */
function expectCodec(path: string, { codec }: Column, compressors: Compressors): void {
  if (codec === 'UNCOMPRESSED' || compressors[codec]) return;
  throw new DataError(
    `${path}: expected columns compressed with ${Object.keys(compressors).join(', ')}, or not at all, got ${codec}. Write it again, as with pandas' to_parquet(compression='snappy').`,
  );
}

/** A page says to what it unpacks, and room for that is made first: it must be possible. */
async function boundedCompressors(path: string): Promise<Compressors> {
  const { snappyUncompress } = await import('hyparquet');
  const { decompressLz4, decompressLz4Raw, decompressZstd } = await import('hyparquet-compressors');
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
    ZSTD: bounded((input, length) => decompressZstd(input, new Uint8Array(length))),
    LZ4: bounded(decompressLz4),
    LZ4_RAW: bounded(decompressLz4Raw),
  };
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(
      `${path}: expected a Parquet file, got a damaged one, or one that is not understood (${reason(error)}).`,
      { cause: error },
    );
  }
}
