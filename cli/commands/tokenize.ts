/** `titok tokenize IMAGE…`: the token ids of images, or the latents of a VAE, a line of JSON each; with --data, of a dataset. */
import type { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import {
  type Dataset,
  pixelBatches,
  type TokensMadeBy,
  toImages,
  tokenLine,
  writeFileAtomic,
} from '../../data/index.ts';
import { TiTok } from '../../titok/index.ts';
import {
  type DatasetOptions,
  fingerprint,
  type ImageTokenizer,
  latentsOf,
  loadDataset,
  RunFolder,
  SizedTeacher,
  tokenize,
} from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { addImageOptions, type ImagesGiven, imageOptions, remarks } from '../images.ts';
import { stopRequest } from '../interruption.ts';
import { addTokenizerOptions, openGivenTokenizer } from '../models.ts';
import { expectAllRead, prepareTextOutput, readPictures } from '../pictures.ts';
import { runFolder } from '../runs.ts';

export function addTokenize(program: Command): void {
  const command = program
    .command('tokenize')
    .description('Prints the token ids of images (of a VAE: their latents), one line of JSON each.')
    .argument('[images...]', 'picture files: PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG')
    .option(
      '--data <path>',
      "the training images of a dataset instead, as 'titok train' takes it; with --out. A run's are those that it trains on",
    )
    .option(
      '--out <file>',
      'of --data: a file of JSONL, {"class_id": …, "tokens": […]} for each image, as published code reads it',
    )
    .action(async (paths: string[], given) => {
      expectSource(paths, given);
      if (given.out !== undefined) prepareTextOutput(given.out, '--out', [given.data]);
      await openGivenDevice(given, 'highest');
      const { model } = await openGivenTokenizer(given);
      if (given.data !== undefined) {
        if (isContinuous(model)) throw new OptionError('--data: expected a tokenizer with codes, got a VAE.');
        const dataset = await loadDataset(given.data, model.config.imageSize, {
          ...(given.name !== undefined && splitOfRun(given.name, given.data)),
          ...imageOptions(given),
        });
        for (const line of remarks(dataset)) console.error(line);
        const { train, classes } = dataset;
        const lines = await tokenLines(model, dataset);
        if (lines.length < train.count) return; // nobody reads on
        writeFileAtomic(given.out, [new TextEncoder().encode(lines.join(''))]);
        console.log(`${given.out}: ${train.count} training images, classes ${classes.join(', ')}`);
        return;
      }
      const unread: string[] = [];
      for await (const files of readPictures(paths, model.config.imageSize, unread)) {
        const pictures = files.map(({ picture }) => picture);
        const rows = isContinuous(model)
          ? (await latentsOf(model, pictures)).map((latents) => ({ latents }))
          : (await tokenize(model, pictures)).map((tokens) => ({ tokens }));
        for (const [i, { path }] of files.entries()) console.log(JSON.stringify({ image: path, ...rows[i] }));
        if (stopRequest()) return; // nobody reads on
      }
      expectAllRead(unread);
    });
  addImageOptions(addTokenizerOptions(addDeviceOptions(command, 'highest')));
}

/** How a run tells training images from held-out ones, and their classes. */
function splitOfRun(name: string, data: string): DatasetOptions {
  const { heldOut, classes } = new RunFolder(runFolder(name)).before()?.origin?.data.source ?? {};
  if (data === 'emoji') return classes === undefined ? {} : { classes };
  return heldOut === undefined ? {} : { heldOutFraction: heldOut };
}

/** @throws OptionError unless there are either images, or --data and --out; or for an option of --data without it */
function expectSource(
  paths: readonly string[],
  { data, out, heldOut, classes, skipBroken }: ImagesGiven & { readonly data?: string; readonly out?: string },
): void {
  const ofData = { '--held-out': heldOut, '--classes': classes, '--skip-broken': skipBroken || undefined };
  const lost = Object.entries(ofData).find(([, value]) => value !== undefined);
  if (data === undefined && lost) throw new OptionError(`${lost[0]}: expected --data with it, got none. Leave it out.`);
  if (paths.length > 0 ? data === undefined && out === undefined : data !== undefined && out !== undefined) return;
  const got = [...(paths.length > 0 ? ['images'] : []), ...(data ? ['--data'] : []), ...(out ? ['--out'] : [])];
  throw new OptionError(`titok tokenize: expected images, or --data with --out, got ${got.join(' and ') || 'none'}.`);
}

const imagesAtOnce = 32;

/** A line for each training image: its class and its tokens. Stops early when the command is asked to end. */
async function tokenLines(model: ImageTokenizer, { train, classes }: Dataset): Promise<string[]> {
  const { count, size, labels } = train;
  const madeBy: TokensMadeBy = {
    tokenizer: await fingerprint(model instanceof SizedTeacher ? model.teacher : model),
    codebookSize: model.config.codebookSize,
    classes,
  };
  const lines: string[] = [];
  for (const images of pixelBatches(train, [...Array(count).keys()], imagesAtOnce)) {
    const pictures = toImages(images, [images.length / (3 * size * size), 3, size, size]);
    for (const tokens of await tokenize(model, pictures)) {
      lines.push(tokenLine(labels[lines.length], tokens, lines.length === 0 ? madeBy : undefined));
    }
    if (stopRequest()) break;
  }
  return lines;
}

const isContinuous = (model: ImageTokenizer): model is TiTok =>
  model instanceof TiTok && model.config.quantizeMode === 'vae';
