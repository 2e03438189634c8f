/**
 * What a Parquet file says of itself, checked before hyparquet believes it: lists no longer than the file, pages that lie in it
 * and unpack to what is plausible, runs no longer than a page has values.
 *
 * @see https://parquet.apache.org/docs/file-format/data-pages/encodings/
 */
import type { Compressors, FileMetaData } from 'hyparquet';
import { mostUnpacked } from './limits.ts';

/** A place in bytes. Reads beyond their end throw. */
interface Reader {
  readonly view: DataView;
  offset: number;
}

/** A number of 7 bits a byte. */
function varint(reader: Reader): number {
  let value = 0;
  for (let shift = 0; shift < 64; shift += 7) {
    const byte = reader.view.getUint8(reader.offset++);
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
  throw new Error('a number of more than 64 bits');
}

const mostDepth = 100; // of metadata: 6 are in use

/** Walks over a structure of Thrift's compact protocol, whose parser makes room for as many members as a list claims. */
function expectStruct(reader: Reader, depth = 0): void {
  if (depth > mostDepth) throw new Error('metadata without an end');
  const element = (type: number): void => {
    if (type === 3) reader.offset += 1;
    else if (type >= 4 && type <= 6) varint(reader);
    else if (type === 7) reader.offset += 8;
    else if (type === 8) {
      const length = varint(reader);
      reader.offset += length;
    } else if (type === 9) {
      const head = reader.view.getUint8(reader.offset++);
      const count = head >> 4 === 15 ? varint(reader) : head >> 4;
      if (count > reader.view.byteLength - reader.offset) throw new Error(`a list of ${count} members`);
      for (let i = 0; i < count; i++) element((head & 15) <= 2 ? 3 : head & 15);
    } else if (type === 12) expectStruct(reader, depth + 1);
    else if (type > 2) throw new Error(`the unknown type ${type} in its metadata`);
  };
  for (;;) {
    const head = reader.view.getUint8(reader.offset++);
    if ((head & 15) === 0) return;
    if (head >> 4 === 0) varint(reader);
    element(head & 15);
  }
}

/** Reads bytes of a file. */
export type Read = (position: number, size: number) => Uint8Array;

/** The metadata at a file's end, with its length and the magic number. @throws Error for lists that cannot be in it */
export function footerOf(read: Read, size: number): Uint8Array {
  const length = size < 12 ? 0 : readerOf(read(size - 8, 8)).view.getUint32(0, true);
  if (length === 0 || length > size - 8) throw new Error(`metadata of ${length} bytes in a file of ${size}`);
  const footer = read(size - 8 - length, length + 8);
  expectStruct(readerOf(footer.subarray(0, length)));
  return footer;
}

const mostColumns = 10_000; // the reader walks over all of them for each

/** @throws Error for more columns than tables of pictures have, or a number of them that is none */
export function expectSchema({ schema }: FileMetaData): void {
  if (schema.length > mostColumns) throw new Error(`${schema.length} columns`);
  const odd = schema.find(({ num_children: n = 0 }) => !(n >= 0 && n < schema.length));
  if (odd) throw new Error(`a column '${odd.name}' of ${odd.num_children} others`);
}

type RowGroup = FileMetaData['row_groups'][number];
/** The metadata of a column in a row group. */
export type Column = NonNullable<RowGroup['columns'][number]['meta_data']>;

/** The first byte of a column's pages, and the one behind the last. */
function extentOf({ dictionary_page_offset: dictionary, data_page_offset: data, total_compressed_size: size }: Column) {
  const start = Number(dictionary && dictionary < data ? dictionary : data);
  return { start, end: start + Number(size) };
}

/** A column of a row group. @throws Error when there is none */
export function columnOf({ columns }: RowGroup, path: readonly string[]): Column {
  const found = columns.find(({ meta_data }) => String(meta_data?.path_in_schema) === String(path))?.meta_data;
  if (!found) throw new Error(`row groups without the column ${path.join('.')}`);
  return found;
}

/** What a page's header says. */
export interface Page {
  readonly isDictionary: boolean;
  /** Values, nulls among them. */
  readonly values: number;
  readonly encoding: number;
  /** bytes */
  readonly unpacked: number;
  /** Of the second version: bytes of the levels in front of the values, which are never packed. */
  readonly levels?: readonly [repetition: number, definition: number];
  readonly isPacked: boolean;
  /** Of the header in the file. */
  readonly position: number;
  /** bytes, with the header */
  readonly size: number;
  readonly headerSize: number;
}

const leastHeader = 2 ** 12; // bytes that are read at first: headers may hold the least and the greatest value

/** The page at a place of a column. @throws Error when it does not lie in the column, or has more values than rows */
async function pageAt(read: Read, position: number, end: number, { codec }: Column, rows: number): Promise<Page> {
  const { deserializeTCompactProtocol: parse } = await import('hyparquet/src/thrift.js');
  const header = (most: number): { readonly fields: ReturnType<typeof parse>; readonly headerSize: number } => {
    const reader = readerOf(read(position, Math.min(most, end - position)));
    try {
      expectStruct({ ...reader });
    } catch (error) {
      if (error instanceof RangeError && most < end - position) return header(16 * most);
      throw error;
    }
    const fields = parse(reader);
    return { fields, headerSize: reader.offset };
  };
  const { fields, headerSize } = header(leastHeader);
  const { field_2: unpacked, field_3: packed, field_5: first, field_7: dictionary, field_8: second } = fields;
  const page = first ?? dictionary ?? second;
  const values = Number(page?.field_1);
  const isWhole = packed >= 0 && position + headerSize + packed <= end && unpacked >= 0;
  if (!(isWhole && values >= 0 && values <= rows))
    throw new Error(`a page of ${packed} bytes with ${values} values in a column of ${rows}`);
  return {
    isDictionary: dictionary !== undefined,
    values,
    unpacked,
    encoding: second ? second.field_4 : page.field_2,
    ...(second && { levels: [second.field_6, second.field_5] as const }),
    isPacked: codec !== 'UNCOMPRESSED' && second?.field_7 !== false,
    ...{ position, size: headerSize + packed, headerSize },
  };
}

/** The dictionary of a column, which is its first page; undefined for a column without one. @throws Error */
export async function dictionaryOf(read: Read, column: Column): Promise<Page | undefined> {
  const { start, end } = extentOf(column);
  const page = await pageAt(read, start, end, column, Number(column.num_values));
  return page.isDictionary ? page : undefined;
}

/** The page at a place that `pagesOf` has found. @throws Error when another one is there now */
export const foundPage = (
  read: Read,
  { position, size }: Pick<Page, 'position' | 'size'>,
  column: Column,
): Promise<Page> => pageAt(read, position, position + size, column, Number(column.num_values));

/**
 * The pages of a column, by their headers.
 *
 * @param size  of the file
 * @throws Error for those that do not lie in the file, have other numbers of values than it says, cannot be read, or unpack to
 *   more than is plausible
 */
export async function pagesOf(read: Read, size: number, column: Column, rows: bigint): Promise<Page[]> {
  const { start, end } = extentOf(column);
  if (column.num_values !== rows || !(start >= 4 && end >= start && end <= size))
    throw new Error(`a column of ${column.num_values} values for ${rows} rows in bytes ${start} to ${end}`);
  const pages: Page[] = [];
  let unpacked = 0;
  for (let position = start; position < end; position += pages[pages.length - 1].size) {
    const page = await pageAt(read, position, end, column, Number(rows));
    if (!encodings[page.encoding])
      throw new Error(`pages of encoding ${page.encoding}, where plain ones or a dictionary are read`);
    pages.push(page);
    unpacked += page.unpacked;
  }
  const most = mostUnpacked(end - start);
  if (unpacked > most) throw new Error(`pages that unpack to ${unpacked} bytes, of which ${most} are plausible`);
  return pages;
}

/** Encodings by number. Those that are left out may say that a value is a copy of another, and grow with every one. */
const encodings: Readonly<Record<number, 'plain' | 'runs' | 'deltas'>> = {
  0: 'plain',
  2: 'runs', // of places in the dictionary
  3: 'runs',
  5: 'deltas',
  6: 'deltas', // of lengths
  8: 'runs',
};

/** Whether a page's values are places in the column's dictionary. */
export const isInDictionary = ({ encoding }: Page): boolean => encoding === 2 || encoding === 8;

/**
 * Unpacks a page of values and looks at the runs in it, which the reader would follow beyond the page.
 *
 * @param bytes  with its header
 * @throws Error
 */
export function expectRuns(
  { isDictionary, values, encoding, levels, isPacked, unpacked, headerSize }: Page,
  bytes: Uint8Array,
  { schema }: Pick<FileMetaData, 'schema'>,
  column: Column,
  compressors: Compressors,
): void {
  if (isDictionary) return;
  const path = column.path_in_schema.map((name) => schema.find((element) => element.name === name)?.repetition_type);
  const [repeated, optional] = [['REPEATED'], ['REPEATED', 'OPTIONAL']].map(
    (types) => path.filter((type) => types.includes(type ?? '')).length,
  );
  const unpack = (packed: Uint8Array, length: number) =>
    isPacked && length > 0 ? (compressors[column.codec]?.(packed, length) ?? packed) : packed;
  /** How many of the values have the highest level. */
  const level = (reader: Reader, highest: number, length: number): number => {
    const next = reader.offset + length;
    const found = highest > 0 ? expectShort(reader, bitsOf(highest), values, highest) : values;
    reader.offset = next;
    return found;
  };
  const body = bytes.subarray(headerSize);
  let page: Reader;
  let stored = values; // those that are not null
  if (levels) {
    const own = readerOf(body);
    level(own, repeated, levels[0]);
    stored = level(own, optional, levels[1]);
    if (encodings[encoding] === 'plain') return;
    page = readerOf(unpack(body.subarray(own.offset), unpacked - own.offset));
  } else {
    page = readerOf(unpack(body, unpacked));
    for (const highest of [repeated, optional]) {
      if (highest === 0) continue;
      const length = page.view.getUint32(page.offset, true);
      page.offset += 4;
      stored = level(page, highest, length);
    }
  }
  if (stored === 0) return;
  if (encodings[encoding] === 'runs') {
    const width = column.type === 'BOOLEAN' ? 1 : page.view.getUint8(page.offset++);
    if (column.type === 'BOOLEAN' && !levels) page.offset += 4;
    if (width > 0) expectShort(page, width, stored);
  } else if (encodings[encoding] === 'deltas') {
    const [block, parts] = [varint(page), varint(page)];
    if (!(parts >= 1 && parts <= mostParts && block <= mostBlock && block % parts === 0))
      throw new Error(`blocks of ${block} values in ${parts} parts`);
  }
}

const mostParts = 1024;
const mostBlock = 2 ** 20;

const readerOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Reader => ({
  view: new DataView(buffer, byteOffset, byteLength),
  offset: 0,
});

const bitsOf = (highest: number): number => 32 - Math.clz32(highest);

/**
 * Walks over runs of equal values, and of packed ones.
 *
 * @param wanted  a value of at most 8 bits
 * @returns how many of the values are the wanted one
 * @throws Error for a run beyond the page's values
 */
function expectShort(reader: Reader, width: number, values: number, wanted?: number): number {
  let found = 0;
  for (let seen = 0; seen < values; ) {
    const head = varint(reader);
    const run = Math.floor(head / 2);
    const start = reader.offset;
    if (head % 2 === 1) {
      reader.offset += width * run;
      if (reader.offset > reader.view.byteLength) throw new Error('a run beyond its page');
      const packed = Math.min(8 * run, values - seen);
      for (let i = 0; wanted !== undefined && i < packed; i++)
        if (packedAt(reader.view, start, i * width, width) === wanted) found++;
      seen += 8 * run;
    } else {
      if (wanted !== undefined && reader.view.getUint8(start) === wanted) found += run;
      reader.offset += Math.ceil(width / 8);
      seen += run;
      if (seen > values) throw new Error(`a run of ${run} values in a page of ${values}`);
    }
    if (reader.offset > reader.view.byteLength) throw new Error('a run beyond its page');
  }
  return found;
}

/** The value of at most 8 bits that begins at a bit, the least significant first. */
function packedAt(view: DataView, start: number, bit: number, width: number): number {
  const at = start + (bit >> 3);
  const next = at + 1 < view.byteLength ? view.getUint8(at + 1) : 0;
  return ((view.getUint8(at) | (next << 8)) >> (bit & 7)) & (2 ** width - 1);
}
