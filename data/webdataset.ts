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
import { createReadStream, statSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DataError } from '../core/index.ts';
import { reason, Undecodable } from './errors.ts';
import { type FilePart, readPart } from './file-part.ts';
import type { LeftOutCounter } from './left-out.ts';
import { nameBelow, type Sample, type Samples } from './samples.ts';
import { folderSplit, type Split, toldSplit } from './split.ts';

const pictureType = /^(?:.*\.)?(?:jpe?g|png|webp|gif|tiff?|avif|bmp|p[bgp]m|jxl|heic)$/;
const labelTypes = ['cls', 'json', 'txt'] as const;
type LabelType = (typeof labelTypes)[number];
const mostLabelBytes = 2 ** 20;
const blockBytes = 512; // of tar

/** A file in an archive. */
interface Part extends FilePart {
  readonly name: string;
}

/** The files of one key. */
interface Group {
  readonly picture?: Part;
  readonly labels: Partial<Record<LabelType, Part>>;
}

/**
 * Lists the pictures of shards.
 *
 * @throws DataError for damaged archives, names that lead out of them, or labels that cannot be read
 */
export async function readShards(paths: readonly string[], root: string, leftOut: LeftOutCounter): Promise<Samples> {
  const listed: Listed[] = [];
  for (const path of paths) {
    const name = nameBelow(root, path);
    const split = toldSplit(name);
    for (const [key, { picture, labels }] of await groupsOf(path, name, leftOut)) {
      if (!picture) continue;
      const { position, size } = picture;
      const folders = key.split('/').slice(0, -1);
      const label = labelIn(labels);
      listed.push({
        sample: { source: { path, position, size }, name: `${name}/${picture.name}` },
        split,
        folders,
        ...(label && { label }),
        hasJson: labels.json !== undefined,
      });
    }
  }
  return classed(listed);
}

/** A picture in an archive, with all that may name its split and its class. */
interface Listed {
  readonly sample: Omit<Sample, 'split'>;
  /** By the names of the archive and its folders. */
  readonly split: Split | undefined;
  /** In the archive. */
  readonly folders: readonly string[];
  readonly label?: Label;
  readonly hasJson: boolean;
}

interface Label {
  readonly type: LabelType;
  readonly text: string;
}

/** Classes from labels, else from folders. Texts that hardly repeat are captions, not classes. */
function classed(listed: readonly Listed[]): Samples {
  const texts = listed.flatMap(({ label }) => (label?.type === 'txt' ? [label.text] : []));
  const captions = texts.length > 0 && new Set(texts).size > Math.max(1, texts.length / 2);
  const isClass = (label: Label | undefined) => label !== undefined && !(captions && label.type === 'txt');
  const labeled = listed.some(({ label }) => isClass(label));
  const isUnread = !labeled && listed.some(({ hasJson }) => hasJson);
  const notes = [
    ...(captions ? ['.txt files hold a text for each picture, which is no class'] : []),
    ...(isUnread ? [`.json files name no class (${classKeys.join(', ')})`] : []),
  ];
  const inSplits = listed.every(({ folders }) => folders.some(folderSplit)); // data/train/cat/1.jpg
  const placed = listed.map(({ sample, split, folders, label }) => {
    const own = inSplits ? folders.filter((name) => !folderSplit(name)) : folders;
    const inside = inSplits ? folders.map(folderSplit).find(Boolean) : undefined;
    return { sample: { ...sample, split: split ?? inside ?? 'train' }, folder: own.at(-1), label };
  });
  if (labeled) {
    const samples = placed.map(({ sample, label }) => {
      if (label && isClass(label)) return { ...sample, className: label.text };
      throw new DataError(`${sample.name}: expected a label (.cls, .json or .txt), as others have, got none.`);
    });
    return { samples, notes };
  }
  const allInFolders = placed.every(({ folder }) => folder !== undefined);
  return {
    samples: placed.map(({ sample, folder }) => (allInFolders ? { ...sample, className: folder! } : sample)),
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
    const group = groups.get(key) ?? { labels: {} };
    groups.set(key, group);
    const labelType = labelTypes.find((one) => one === type);
    if (labelType) group.labels[labelType] ??= part;
    else if (!pictureType.test(type)) leftOut.add(`.${type} files`, `${name}/${part.name}`);
    else if (group.picture) leftOut.add('more pictures of one key', `${name}/${part.name}`);
    else group.picture = part;
  }
  return groups;
}

/** All files of an archive, in their order. @throws DataError when it is damaged, or a name leads out of it */
async function partsOf(path: string, name: string, leftOut: LeftOutCounter): Promise<Part[]> {
  const { extract } = await import('tar-stream');
  const parts: Part[] = [];
  let end = 0; // of the last entry
  const extractor = extract();
  extractor.on('error', () => {}); // as below
  extractor.on('entry', (header, content, next) => {
    content.on('error', () => {}); // pipeline reports what is wrong; without a listener, the program would end
    // where the content begins; the package's types leave it out
    const { byteOffset: position } = header as typeof header & { readonly byteOffset: number };
    end = Math.max(end, position + blockBytes * Math.ceil((header.size ?? 0) / blockBytes));
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
  if (statSync(path).size < end + blockBytes)
    throw new DataError(
      `${path}: expected a whole tar archive, got one without its end, a block of zeros. Is it complete?`,
    );
  return parts;
}

const classKeys = ['label', 'class', 'cls', 'class_name', 'class_id'];

/** What the first label file that names a class says. */
function labelIn(labels: Group['labels']): Label | undefined {
  for (const type of labelTypes) {
    const part = labels[type];
    const text = part && (type === 'json' ? classInJson(part) : textIn(part));
    if (text) return { type, text }; // '' is no name
  }
  return undefined;
}

function textIn(part: Part): string {
  const where = `${part.path}, ${part.name}`;
  if (part.size > mostLabelBytes)
    throw new DataError(`${where}: expected a label of at most 1 MB, got ${part.size} bytes.`);
  try {
    return new TextDecoder('utf-8', { fatal: part.name.endsWith('.cls') }).decode(readPart(part)).trim();
  } catch (error) {
    if (error instanceof TypeError) throw new DataError(`${where}: expected a label in UTF-8, got other bytes.`);
    throw error instanceof Undecodable ? new DataError(`${where}: expected a label, ${error.message}`) : error;
  }
}

/** Undefined where a JSON file is about other things. */
function classInJson(part: Part): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(textIn(part));
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${part.path}, ${part.name}: expected JSON, got ${reason(error)}.`, { cause: error });
  }
  const record = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : { label: value };
  const label = classKeys
    .map((key) => record[key])
    .find((one) => typeof one === 'string' || typeof one === 'boolean' || Number.isInteger(one));
  return label === undefined ? undefined : String(label);
}
