/**
 * WebDataset shards: tar archives in which files of one key are one sample.
 *
 *   0001.jpg  0001.cls  0002.jpg  0002.cls …        also .json and .txt for the class
 *   cat/1.jpg  dog/7.jpg …                          without such files: the class is the folder
 *
 * A shard is read once to list it; pictures are then read where they lie. Nothing is unpacked onto the disk.
 *
 * @see https://github.com/webdataset/webdataset
 */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DataError } from '../core/index.ts';
import { reason, Undecodable } from './errors.ts';
import { type FilePart, readPart } from './file-part.ts';
import type { LeftOutCounter } from './left-out.ts';
import { nameBelow, type Sample, type Samples, splitOf } from './samples.ts';

const pictureType = /^(?:.*\.)?(?:jpe?g|png|webp|gif|tiff?|avif|bmp|p[bgp]m|jxl|heic)$/;
const labelTypes = ['cls', 'json', 'txt'] as const;
type LabelType = (typeof labelTypes)[number];
const mostLabelBytes = 2 ** 20;

/** A file in an archive. */
interface Part extends FilePart {
  readonly name: string;
}

/** The files of one key. */
interface Group {
  readonly picture?: Part;
  readonly label?: Part & { readonly type: LabelType };
}

/**
 * Lists the pictures of shards.
 *
 * @throws DataError for damaged archives, names that lead out of them, or labels that cannot be read
 */
export async function readShards(paths: readonly string[], root: string, leftOut: LeftOutCounter): Promise<Samples> {
  const listed: Listed[] = [];
  for (const path of paths) {
    const split = splitOf(basename(path));
    const name = nameBelow(root, path);
    for (const [key, { picture, label }] of await groupsOf(path, name, leftOut)) {
      if (!picture) continue;
      const { position, size } = picture;
      const folder = key.split('/').at(-2);
      listed.push({
        sample: { source: { path, position, size }, name: `${name}/${picture.name}`, split },
        ...(label && { label: { type: label.type, text: classIn(label) } }),
        ...(folder !== undefined && { folder }),
      });
    }
  }
  return classed(listed);
}

/** A picture in an archive, with all that may name its class. */
interface Listed {
  readonly sample: Sample;
  readonly label?: { readonly type: LabelType; readonly text: string };
  readonly folder?: string;
}

/** Classes from labels, else from folders. Texts that hardly repeat are captions, not classes. */
function classed(listed: readonly Listed[]): Samples {
  const texts = listed.filter(({ label }) => label?.type === 'txt').map(({ label }) => label!.text);
  const captions = texts.length > 0 && new Set(texts).size > Math.max(1, texts.length / 2);
  const notes = captions ? ['.txt files hold a text for each picture, which is no class'] : [];
  if (!captions && listed.some(({ label }) => label)) {
    const samples = listed.map(({ sample, label }) => {
      if (label) return { ...sample, className: label.text };
      throw new DataError(`${sample.name}: expected a label (.cls, .json or .txt), as others have, got none.`);
    });
    return { samples };
  }
  const allInFolders = listed.every(({ folder }) => folder !== undefined);
  return {
    samples: listed.map(({ sample, folder }) => (allInFolders ? { ...sample, className: folder! } : sample)),
    notes,
  };
}

async function groupsOf(path: string, name: string, leftOut: LeftOutCounter): Promise<Map<string, Group>> {
  const groups = new Map<string, { -readonly [K in keyof Group]: Group[K] }>();
  for (const part of await partsOf(path, name, leftOut)) {
    const from = part.name.lastIndexOf('/') + 1;
    const dot = part.name.indexOf('.', from);
    if (dot <= from) {
      leftOut.add('not pictures', `${name}/${part.name}`); // hidden, or without a type
      continue;
    }
    const [key, type] = [part.name.slice(0, dot), part.name.slice(dot + 1).toLowerCase()];
    const group = groups.get(key) ?? {};
    groups.set(key, group);
    const labelType = labelTypes.find((one) => one === type);
    if (labelType) {
      const rank = (type: LabelType) => labelTypes.indexOf(type);
      if (!group.label || rank(labelType) < rank(group.label.type)) group.label = { ...part, type: labelType };
    } else if (!pictureType.test(type)) leftOut.add(`.${type} files`, `${name}/${part.name}`);
    else if (group.picture) leftOut.add('more pictures of one key', `${name}/${part.name}`);
    else group.picture = part;
  }
  return groups;
}

/** All files of an archive, in their order. @throws DataError when it is damaged, or a name leads out of it */
async function partsOf(path: string, name: string, leftOut: LeftOutCounter): Promise<Part[]> {
  const { extract } = await import('tar-stream');
  const parts: Part[] = [];
  const extractor = extract();
  extractor.on('error', () => {}); // as below
  extractor.on('entry', (header, content, next) => {
    content.on('error', () => {}); // pipeline reports what is wrong; without a listener, the program would end
    // where the content begins; the package's types leave it out
    const { byteOffset: position } = header as typeof header & { readonly byteOffset: number };
    const own = header.name.replace(/^(?:\.\/)+/, '');
    if (/^(?:[/\\]|[a-z]:)/i.test(own) || own.split(/[/\\]/).includes('..')) {
      next(
        new DataError(`${path}: expected names inside of the archive, got '${header.name}'. Do not trust this file.`),
      );
      return;
    }
    if (header.type === 'file' || header.type === 'contiguous-file')
      parts.push({ name: own, path, position, size: header.size });
    else if (header.type !== 'directory') leftOut.add('links and devices', `${name}/${own}`);
    content.on('end', () => next());
    content.resume();
  });
  try {
    await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), extractor as unknown as Writable);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(
      `${path}: expected a whole tar archive, got a damaged one (${reason(error)}). Is it complete?`,
      {
        cause: error,
      },
    );
  }
  return parts;
}

/** The class that a label file names. */
function classIn(part: Part & { readonly type: LabelType }): string {
  const where = `${part.path}, ${part.name}`;
  if (part.size > mostLabelBytes)
    throw new DataError(`${where}: expected a label of at most 1 MB, got ${part.size} bytes.`);
  let bytes: Uint8Array;
  try {
    bytes = readPart(part);
  } catch (error) {
    throw error instanceof Undecodable ? new DataError(`${where}: expected a label, ${error.message}`) : error;
  }
  const text = new TextDecoder().decode(bytes).trim();
  if (part.type !== 'json') return text;
  const keys = ['label', 'class', 'cls', 'class_name', 'class_id'];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${where}: expected JSON, got ${reason(error)}.`, { cause: error });
  }
  const record = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : { label: value };
  const label = keys.map((key) => record[key]).find((one) => typeof one === 'string' || Number.isInteger(one));
  if (label !== undefined) return String(label);
  throw new DataError(`${where}: expected a class under ${keys.join(', ')}, got '${text.slice(0, 60)}'.`);
}
