/** The pictures below a folder, and what else is there. */
import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../core/index.ts';
import { reason } from './errors.ts';
import { kindAt } from './file-head.ts';
import { gotInstead } from './file-kind.ts';
import type { LeftOutCounter } from './left-out.ts';

/** A folder with its pictures and sub-folders, sorted by name. */
export interface Folder {
  readonly name: string;
  readonly path: string;
  readonly pictures: readonly Picture[];
  readonly folders: readonly Folder[];
}

/** A file that is a picture by its name or by its first bytes. */
export interface Picture {
  readonly path: string;
  /** Path below the root, with '/' on every system: 'cat/1.png'. */
  readonly name: string;
}

/** What is in a tree beside pictures. */
export interface Rest {
  readonly leftOut: LeftOutCounter;
  /** Files that systems and programs put into folders. */
  readonly ignored: LeftOutCounter;
}

/** Also of types that sharp does not read: that is known, and said, when the file is opened. */
const pictureName =
  /\.(a?png|jpe?g?|jpe|jfif|webp|gif|avif|tiff?|svg|bmp|dib|hei[cf]|jxl|jp2|j2k|ico|psd|p[bgnp]m|exr|hdr|dds|cr[23]|nef|nrw|arw|dng|orf|rw2|raf|pef|srw)$/i;
/** Of macOS, Windows and Synology. '._x' holds what macOS knows about the file x. */
const systemName =
  /^(\._.*|\.DS_Store|__MACOSX|\.Spotlight-V100|\.Trashes|Thumbs\.db|ehthumbs\.db|desktop\.ini|@eaDir)$/i;

/**
 * Reads a folder and all below it. Links are followed.
 * @param name  path below the root, for the names of pictures
 * @param above  real paths of the folders that this one is in: a link to one of them would have no end
 * @throws DataError when it is no folder, or cannot be read
 */
export function readTree(path: string, rest: Rest, name = '', above: readonly string[] = []): Folder {
  const pictures: Picture[] = [];
  const folders: Folder[] = [];
  const real = realPath(path);
  for (const entry of list(path)) {
    const inside = join(path, entry.name);
    const below = name === '' ? entry.name : `${name}/${entry.name}`;
    const type = typeOf(entry, inside);
    const all = () => (type === 'folder' ? namesIn(inside) : [entry.name]);
    if (systemName.test(entry.name)) rest.ignored.add('system files', below, all().length);
    else if (entry.name.startsWith('.')) rest.leftOut.add('hidden', below, all().filter(isPictureName).length);
    else if (type === 'nothing') rest.leftOut.add('links to nothing', below);
    else if (type === 'other') rest.leftOut.add('neither files nor folders', below);
    else if (type === 'file') {
      if (isPictureName(entry.name) || headKind(inside)?.picture) pictures.push({ path: inside, name: below });
      else rest.leftOut.add('not pictures', below);
    } else if ([...above, real].includes(realPath(inside))) rest.leftOut.add('links in a circle', below);
    else folders.push(readTree(inside, rest, below, [...above, real]));
  }
  return { name: name.slice(name.lastIndexOf('/') + 1), path, pictures, folders };
}

/** All pictures of a folder: its own, then those of its sub-folders. */
export function picturesIn({ pictures, folders }: Folder): Picture[] {
  return [...pictures, ...folders.flatMap(picturesIn)];
}

export function holdsPictures({ pictures, folders }: Folder): boolean {
  return pictures.length > 0 || folders.some(holdsPictures);
}

const isPictureName = (name: string): boolean => pictureName.test(name);

function list(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    const kind = (error as NodeJS.ErrnoException).code === 'ENOTDIR' ? headKind(path) : undefined;
    const got = kind ? gotInstead(kind) : `got ${reason(error)}.`;
    throw new DataError(`${path}: expected a folder of images, ${got}`, { cause: error });
  }
}

/** The names of all files below a folder, as far as it can be read. */
function namesIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function typeOf(entry: Dirent, path: string): 'file' | 'folder' | 'nothing' | 'other' {
  let found: Pick<Dirent, 'isFile' | 'isDirectory'> | undefined = entry;
  if (!entry.isFile() && !entry.isDirectory()) found = statOf(path);
  if (!found) return 'nothing';
  if (found.isDirectory()) return 'folder';
  return found.isFile() ? 'file' : 'other';
}

/** Of what a link leads to; undefined when that is nothing, or the link itself. */
function statOf(path: string) {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // it cannot be read, as will be said
  }
}

/** The kind of a file by its first bytes; undefined also for one that cannot be read. */
function headKind(path: string) {
  try {
    return kindAt(path);
  } catch {
    return undefined;
  }
}
