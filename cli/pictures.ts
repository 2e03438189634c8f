/** The pictures that a command reads, and the one that it writes. */
import { accessSync, constants, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, extname, resolve, sep } from 'node:path';
import type { Option } from 'commander';
import { DataError, OptionError } from '../core/index.ts';
import { decodeSquare, imageFormat, type RgbImage } from '../data/index.ts';
import { imagesAtOnce, inParts } from '../train/index.ts';
import { CheckedOption } from './options.ts';

const inFlight = 8; // files that are decoded at once: a photo of 12 megapixels takes 36 MB

/** A file that was read. */
export interface PictureFile {
  readonly path: string;
  readonly picture: RgbImage;
}

/**
 * Reads image files in batches for a model, each cropped and scaled to `size` pixels as soon as it is decoded.
 *
 * @param unread  receives the messages on files that could not be read, see `expectAllRead`
 */
export async function* readPictures(
  paths: readonly string[],
  size: number,
  unread: string[],
): AsyncGenerator<PictureFile[], void> {
  for (const batch of inParts(paths, imagesAtOnce(size))) {
    const read: PictureFile[] = [];
    for (const some of inParts(batch, inFlight)) {
      for (const outcome of await Promise.allSettled(some.map((path) => readPicture(path, size)))) {
        if (outcome.status === 'fulfilled') read.push(outcome.value);
        else if (outcome.reason instanceof DataError) unread.push(outcome.reason.message);
        else throw outcome.reason;
      }
    }
    if (read.length > 0) yield read;
  }
}

/** Once the others are done: @throws DataError with a line for every file that could not be read */
export function expectAllRead(unread: readonly string[]): void {
  if (unread.length > 0) throw new DataError(unread.join('\n'));
}

const readPicture = async (path: string, size: number): Promise<PictureFile> => ({
  path,
  picture: await decodeSquare(path, size),
});

/** --output, for a picture. */
export const outputOption = (name: string): Option =>
  new CheckedOption(
    '--output <file>',
    `PNG, JPEG or WebP to write (default: ${name} in the run, or in the working folder)`,
    (text) => {
      imageFormat(text, '--output');
      return text;
    },
  );

/**
 * Makes the folder of an output file, before the work begins.
 *
 * @param inputs  files that are read, and so must not be written
 * @throws OptionError when the file could not be written in the end, or is an input
 */
export function prepareOutput(path: string, option = '--output', inputs: readonly string[] = []): string {
  const refuse = (got: string) => new OptionError(`${option}: expected a file to write, got ${path}, ${got}.`);
  if (path.endsWith('/') || path.endsWith(sep)) throw refuse('which names a folder');
  const there = existsSync(path) ? statSync(path) : undefined;
  if (there?.isDirectory()) throw refuse('which is a folder');
  if (there && !there.isFile()) throw refuse('which is a pipe or a device');
  const isInput = (input: string) => existsSync(input) && realpathSync(input) === realpathSync(path);
  if (there && inputs.some(isInput)) throw refuse('which is read. Give another name');
  const folder = dirname(resolve(path));
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw refuse(`whose folder cannot be written to (${(error as Error).message})`);
  }
  return path;
}

const pictures = ['png', 'jpg', 'jpeg', 'webp', 'gif', 'tif', 'tiff', 'avif', 'svg'];
const weightsAndData = ['safetensors', 'bin', 'pt', 'pth', 'npz', 'npy', 'tar', 'zip', 'parquet'];

/** The same for a file of text. @throws OptionError for the name of a picture, of weights or of data, too, which it would replace */
export function prepareTextOutput(path: string, option: string, inputs: readonly string[]): string {
  if (![...pictures, ...weightsAndData].includes(extname(path).slice(1).toLowerCase()))
    return prepareOutput(path, option, inputs);
  throw new OptionError(`${option}: expected a file for text, such as tokens.jsonl, got ${path}.`);
}
