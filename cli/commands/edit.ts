/** `titok edit IMAGE`: a picture whose tokens are replaced, fitted by gradient, or drawn again by the generator. */
import { basename, dirname, extname, join } from 'node:path';
import type { Command } from 'commander';
import { noGrad, OptionError, Rng, tensor, tidy } from '../../core/index.ts';
import {
  decodeSquare,
  imageGrid,
  type RgbImage,
  toPlanes,
  toUnit,
  writeFileAtomic,
  writeImage,
} from '../../data/index.ts';
import { psnr } from '../../eval/index.ts';
import { drawsFrom, maskId, nullLabel, sample } from '../../maskgit/index.ts';
import { fitTokens, type TiTok } from '../../titok/index.ts';
import { classIndex, count, group, type Model, picturesOf, seed, tokenize, withGenerator } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { stopRequest } from '../interruption.ts';
import { addModelOptions, openGivenModel } from '../models.ts';
import { addSettings, byDefault, CheckedOption, type Given, readSettings } from '../options.ts';
import { outputOption, prepareOutput, prepareTextOutput } from '../pictures.ts';
import { showShare } from '../progress.ts';
import { type Positions, parsePositions, parseRectangle, parseReplacements, type Rectangle } from '../tokens.ts';

const editSettings = group({
  steps: count(60, 'of --fit: updates of the latents', { most: 10_000 }),
  seed: seed(0, 'of --resample'),
});
type Settings = ReturnType<typeof editSettings.parse>;

/** What can be done to tokens, in this order. */
interface Edits extends Given {
  readonly set?: ReadonlyMap<number, number>;
  readonly fit?: true;
  readonly region?: Rectangle;
  readonly resample?: Positions;
  readonly class?: string;
}

/** How much pixels outside of --region count: they may change, but not into anything. */
const outside = 0.05;

export function addEdit(program: Command): void {
  const command = program
    .command('edit')
    .description(
      'Turns an image into tokens, edits them, and writes the picture that they give, also beside the one before. Several edits are ' +
        'made in the order of these options. Positions of tokens count from 0.',
    )
    .argument('<image>', 'a picture file: PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG')
    .addOption(
      new CheckedOption('--set <tokens>', 'replaces tokens: POSITION=CODE, several with commas (3=117,7=12)', (text) =>
        parseReplacements(text, '--set'),
      ),
    )
    .option('--fit', "moves the tokens by gradient descent, so that their picture comes closer to the image's pixels")
    .addOption(
      new CheckedOption(
        '--region <x,y,width,height>',
        `of --fit: the part of the picture that counts, in pixels of the model; the rest counts ${100 * outside} %`,
        (text) => parseRectangle(text, '--region'),
      ),
    )
    .addOption(
      new CheckedOption(
        '--resample <tokens>',
        'lets the generator draw tokens again, given the others: positions (3,5,8-12), or all',
        (text) => parsePositions(text, '--resample'),
      ),
    )
    .option('--class <name>', 'of --resample: class to draw; default no class')
    .addOption(outputOption('edited.png'))
    .option('--tokens-output <file>', 'also writes the tokens to a file, as a line of JSON')
    .action(async (path: string, given) => {
      expectEdits(given);
      const settings = readSettings(editSettings, {}, given);
      await openGivenDevice(given, 'highest');
      const { model, folder } = await openGivenModel(given);
      expectFits(model, given);
      const output = prepareOutput(given.output ?? join(folder, 'edited.png'), '--output', [path]);
      const sheet = join(dirname(output), `${basename(output, extname(output))}-sheet${extname(output)}`);
      prepareOutput(sheet, '--output', [path]);
      if (given.tokensOutput !== undefined) prepareTextOutput(given.tokensOutput, '--tokens-output', [path]);

      const { tokenizer } = model;
      const size = tokenizer.config.imageSize;
      const picture = await decodeSquare(path, size);
      const original = toUnit(toPlanes(picture));
      const [ids] = await tokenize(tokenizer, [picture]);
      const before = await decode(tokenizer, ids);
      const edited = await edit(model, original, ids, given, settings);
      const after = await decode(tokenizer, edited);

      const line = JSON.stringify({ image: path, tokens: edited });
      console.log(line);
      const changed = edited.filter((id, i) => id !== ids[i]).length;
      const decibels = (values: ArrayLike<number>) => `${psnr(original, values).toFixed(2)} dB`;
      console.log(`${changed} of ${ids.length} tokens changed, ${decibels(before.values)} → ${decibels(after.values)}`);
      if (given.tokensOutput !== undefined) {
        writeFileAtomic(given.tokensOutput, [new TextEncoder().encode(`${line}\n`)]);
        console.log(given.tokensOutput);
      }
      await writeImage(output, after.picture);
      console.log(output);
      const columnLabels = ['input', `${ids.length} tokens`, 'edited'];
      const scale = Math.ceil(96 / size);
      await writeImage(sheet, await imageGrid([picture, before.picture, after.picture], 3, { columnLabels, scale }));
      console.log(sheet);
    });
  addModelOptions(command);
  addSettings(command, editSettings, byDefault);
  addDeviceOptions(command, 'highest');
}

/** @throws OptionError when nothing is to be done, or an option has no effect */
function expectEdits({ set, fit, region, resample, class: name, steps, seed }: Edits): void {
  if (!set && !fit && !resample)
    throw new OptionError(
      "titok edit: expected one of --set, --fit and --resample, got none. 'titok reconstruct' shows tokens as they are.",
    );
  const needs = (option: string, given: unknown, needed: string, holds: boolean) => {
    if (given !== undefined && !holds)
      throw new OptionError(`${option}: expected ${needed} beside it, got none. It has no effect without it.`);
  };
  needs('--region', region, '--fit', fit === true);
  needs('--steps', steps, '--fit', fit === true);
  needs('--class', name, '--resample', resample !== undefined);
  needs('--seed', seed, '--resample', resample !== undefined);
  if (resample === 'all' && (set || fit))
    throw new OptionError(
      `--resample: expected some positions beside ${set ? '--set' : '--fit'}, got all. Nothing would be left of it.`,
    );
  for (const position of set?.keys() ?? [])
    if (resample?.includes(position as never))
      throw new OptionError(`--resample: expected other positions than --set, got position ${position} in both.`);
}

/** @throws OptionError for positions, codes, pixels or a class that the model does not have, CheckpointError without generator */
function expectFits(model: Model, { set, region, resample, class: name }: Edits): void {
  const { latentTokens: K, codebookSize: V, imageSize: size } = model.tokenizer.config;
  const expectPosition = (option: string, position: number) => {
    if (position >= K) throw new OptionError(`${option}: expected positions in 0..${K - 1}, got ${position}.`);
  };
  for (const [position, id] of set ?? []) {
    expectPosition('--set', position);
    if (id >= V) throw new OptionError(`--set: expected codes in 0..${V - 1}, got ${id} for position ${position}.`);
  }
  if (region && (region.x + region.width > size || region.y + region.height > size)) {
    const { x, y, width, height } = region;
    throw new OptionError(`--region: expected a part of the ${size} × ${size} pixels, got ${[x, y, width, height]}.`);
  }
  if (!resample) return;
  for (const position of resample === 'all' ? [] : resample) expectPosition('--resample', position);
  const { classes } = withGenerator(model);
  if (name !== undefined) classIndex(name, classes, '--class');
}

/** The ids after --set, --fit and --resample. @param original  the image's pixels, [3, size, size] */
async function edit(
  model: Model,
  original: Float32Array,
  encoded: readonly number[],
  { set, fit, region, resample, class: name }: Edits,
  { steps, seed }: Settings,
): Promise<number[]> {
  let ids = encoded.map((id, position) => set?.get(position) ?? id);
  if (fit) ids = await fitted(model.tokenizer, original, ids, steps, region);
  if (resample) {
    const { generator, classes, sampling } = withGenerator(model);
    const mask = maskId(generator.config);
    const start = ids.map((id, position) => (resample === 'all' || resample.includes(position) ? mask : id));
    const label = name === undefined ? nullLabel(generator.config) : classIndex(name, classes);
    ids = [...(await sample(generator, [label], sampling, drawsFrom(new Rng(seed)), { start }))];
  }
  return ids;
}

async function fitted(
  tokenizer: TiTok,
  original: Float32Array,
  start: readonly number[],
  steps: number,
  region: Rectangle | undefined,
): Promise<number[]> {
  const size = tokenizer.config.imageSize;
  const image = tensor(original, [1, 3, size, size]);
  const progress = showShare('fitting');
  const psnrs: number[] = [];
  let ids: Int32Array = Int32Array.from(start);
  try {
    const options = { steps, start, ...(region && { region: weightsOf(region, size) }) };
    for await (const state of fitTokens(tokenizer, image, options)) {
      ids = state.ids;
      psnrs.push(state.psnr);
      if (state.step > 0) progress.update(state.step, steps, `${state.psnr.toFixed(2)} dB`);
      if (stopRequest()) break; // nobody reads on
    }
  } finally {
    progress.leave();
    image.dispose();
  }
  const [first, last] = [psnrs[0], psnrs[psnrs.length - 1]].map((decibels) => decibels.toFixed(2));
  console.error(`fit: ${steps} steps, ${first} → ${last} dB${region ? ' by the weights of --region' : ''}`);
  return [...ids];
}

/** 1 in the rectangle, less outside of it. */
const weightsOf = ({ x, y, width, height }: Rectangle, size: number): Float32Array =>
  Float32Array.from({ length: size * size }, (_, i) => {
    const [column, row] = [i % size, Math.floor(i / size)];
    return column >= x && column < x + width && row >= y && row < y + height ? 1 : outside;
  });

/** The picture of one row of tokens, and its values [3, size, size]. */
async function decode(
  tokenizer: TiTok,
  ids: readonly number[],
): Promise<{ readonly picture: RgbImage; readonly values: ArrayLike<number> }> {
  const image = noGrad(() => tidy(() => tokenizer.decodeTokens(tensor(ids, [1, ids.length], { dtype: 'int32' }))));
  const [[picture], values] = [await picturesOf(image), await image.data()];
  image.dispose();
  return { picture, values };
}
