/** Files that hold many pictures, or list them: which format they are of, by their content, and how they are a dataset. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { DataError } from '../core/index.ts';
import { isCifar, readCifar } from './cifar.ts';
import { fileKind, gzipKind, headBytes, npzKind, parquetKind, tarKind } from './file-kind.ts';
import { type Layout, layoutOf } from './folder-layout.ts';
import { type Folder, holdsPictures, readTree } from './folder-tree.ts';
import { hasPictures, isIdx, readIdx, unpackedHead } from './idx.ts';
import { LeftOutCounter } from './left-out.ts';
import { readNpzSamples } from './npz-pictures.ts';
import { readParquet } from './parquet.ts';
import { layoutOfSamples, type Samples } from './samples.ts';
import { folderSplit } from './split.ts';
import { isTable, readTables } from './tables.ts';
import { readShards } from './webdataset.ts';

/** A format of files with many pictures. */
interface Format {
  readonly name: string;
  /** @param head  the first bytes of the file; of a gzip file also those that it unpacks to */
  is(path: string, head: Uint8Array): boolean;
  /** @param root  the folder below which pictures have names */
  read(paths: readonly string[], root: string, leftOut: LeftOutCounter): Samples | Promise<Samples>;
}

const tables: Format = { name: 'a table', is: isTable, read: readTables };
const formats: readonly Format[] = [
  tables,
  { name: 'Parquet', is: (path, head) => fileKind(head, path) === parquetKind, read: readParquet },
  { name: 'IDX', is: (_, head) => hasPictures(unpackedIfGzip(head)), read: readIdx },
  { name: 'CIFAR', is: isCifar, read: readCifar },
  { name: 'NumPy', is: (path, head) => fileKind(head, path) === npzKind, read: readNpzSamples },
  { name: 'WebDataset', is: (path, head) => fileKind(head, path) === tarKind, read: readShards },
];

const unpackedIfGzip = (head: Uint8Array) => (fileKind(head) === gzipKind ? unpackedHead(head) : head);

/** What a path holds. */
export interface FoundImages {
  readonly layout: Layout;
  /** 'picture files', 'IDX'. */
  readonly format: string;
  readonly leftOut: LeftOutCounter;
  /** Files that systems and programs put into folders. */
  readonly ignored: LeftOutCounter;
}

/**
 * Finds the pictures at a path, with their classes and splits, and decodes none: a folder of picture files, a data file, or a
 * folder of data files.
 *
 * @param name  of the dataset: pictures without classes are of a class of this name
 * @throws DataError for a path without pictures, data files of several formats, or damaged ones
 */
export async function findImages(path: string, name: string): Promise<FoundImages> {
  const [leftOut, ignored] = [new LeftOutCounter(), new LeftOutCounter()];
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile()) {
    const format = formatOf(path);
    if (format) return fromFiles([path], format);
  }
  const shards = found ? [] : filesAt(path);
  if (shards.length > 0) {
    const [format, ...others] = new Set(shards.map(formatOf));
    if (format && others.length === 0) return fromFiles(shards, format);
    throw new DataError(
      `${path}: expected data files of one format, got others. docs/your-images.md lists the formats.`,
    );
  }
  const tree = readTree(path, { leftOut, ignored });
  if (!holdsPictures(tree)) {
    const files = filesBelow(path).map((file) => ({ file, format: isUnfinished(file) ? undefined : formatOf(file) }));
    const [format, other] = new Set(files.flatMap(({ format }) => format ?? []));
    if (other) {
      throw new DataError(
        `${path}: expected data files of one format, got ${format.name} and ${other.name}. Name the files of one, or move the others.`,
      );
    }
    if (format) {
      const rest = new LeftOutCounter();
      for (const { file, format } of files)
        if (isUnfinished(file)) rest.add('unfinished', relative(path, file));
        else if (!format && !accompanies(file)) rest.add('not data files', relative(path, file));
      const paths = files.flatMap(({ file, format }) => (format ? [file] : []));
      return fromFiles(paths, format, rest);
    }
  }
  const lists = tablesBeside(tree).map((folder) => filesIn(folder).filter((file) => formatOf(file) === tables));
  if (lists.length > 0 && lists.every((files) => files.length > 0)) return fromFiles(lists.flat(), tables);
  return { layout: layoutOf(tree, name, leftOut), format: 'picture files', leftOut, ignored };

  async function fromFiles(paths: readonly string[], format: Format, leftOut = new LeftOutCounter()) {
    const root = found?.isDirectory() ? path : dirname(path);
    const samples = await format.read(paths, root, leftOut);
    return { layout: layoutOfSamples(path, name, samples, leftOut), format: format.name, leftOut, ignored };
  }
}

const range = /\{(\d{1,9})\.\.(\d{1,9})\}/;
const mostShards = 100_000;

/**
 * The files that a path stands for: 'pets-{000..009}.tar' is ten, any other path itself, and a path where nothing is none.
 *
 * @throws DataError when some of the ten are missing, or the range is empty or longer than 100,000
 */
export function filesAt(path: string): string[] {
  if (existsSync(path)) return [path];
  const [whole, first, last] = range.exec(path) ?? [];
  if (whole === undefined) return [];
  const count = Number(last) - Number(first) + 1;
  if (count < 1 || count > mostShards) {
    throw new DataError(`${path}: expected a range of 1 to ${mostShards} files, got ${whole}.`);
  }
  const all = Array.from({ length: count }, (_, i) =>
    path.replace(whole, String(Number(first) + i).padStart(first.length, '0')),
  );
  const missing = all.filter((file) => !existsSync(file));
  if (missing.length === 0) return all;
  throw new DataError(
    `${path}: expected ${count} files, got none at ${missing[0]}${missing.length > 1 ? ` and ${missing.length - 1} more` : ''}.`,
  );
}

/** The folders in which tables may tell the classes of a tree of pictures: its root, or its splits. */
function tablesBeside(tree: Folder): readonly string[] {
  if (isOneFolder(tree)) return [tree.path];
  const full = tree.folders.filter(holdsPictures);
  const areSplits = tree.pictures.length === 0 && full.every((one) => folderSplit(one.name) && isOneFolder(one));
  return areSplits ? full.map(({ path }) => path) : [];
}

/** Whether all pictures lie in one folder, whose name then tells no class. */
function isOneFolder({ pictures, folders }: Folder): boolean {
  const full = folders.filter(holdsPictures);
  return full.length === 0 || (full.length === 1 && pictures.length === 0 && !full[0].folders.some(holdsPictures));
}

function formatOf(path: string): Format | undefined {
  const head = headOf(path);
  return formats.find((format) => format.is(path, head));
}

/** The first bytes of a file; none when it cannot be read. */
function headOf(path: string): Uint8Array {
  const head = new Uint8Array(headBytes);
  try {
    const file = openSync(path, 'r');
    try {
      return head.subarray(0, readSync(file, head));
    } finally {
      closeSync(file);
    }
  } catch {
    return head.subarray(0, 0);
  }
}

/** Labels, names of classes and descriptions, which belong to data files beside them. */
const accompanies = (path: string): boolean =>
  /\.(?:txt|md|html?|json)$/i.test(basename(path)) || isIdx(unpackedIfGzip(headOf(path)));

/** What a conversion was writing when it was killed. */
const isUnfinished = (path: string): boolean => path.endsWith('.part');

/** The files below a folder, sorted, links to files too; without hidden ones. */
const filesBelow = (folder: string): string[] => filesIn(folder, true);

function filesIn(folder: string, recursive = false): string[] {
  return readdirSync(folder, { recursive, encoding: 'utf8' })
    .filter((file) => !/(?:^|[/\\])\./.test(file))
    .sort()
    .map((file) => join(folder, file))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
}
