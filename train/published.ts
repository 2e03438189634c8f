/**
 * Published models: weights under the names of the paper's code, in any of the files of data/tensor-file.ts. Their sizes are
 * those of a configuration (`config.json` beside them, or a file that is named), of a preset that is named, or of the preset
 * that has the same tensors.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CheckpointError, expectOption, OptionError, outsideScopes, show, suggestion, ZeroRng } from '../core/index.ts';
import { openTensorFile, type TensorFile, weightFileAt } from '../data/index.ts';
import { createGenerator, type GeneratorConfig, publishedGenerators, publishedSampling } from '../maskgit/index.ts';
import { loadStateDict, parameterShapes, type StateValue } from '../nn/index.ts';
import {
  presets,
  publishedVqgan,
  Teacher,
  TiTok,
  type TiTokConfig,
  type VqganConfig,
  warmupConfig,
} from '../titok/index.ts';
import { imagenetClasses } from './imagenet-classes.ts';
import type { Model } from './model.ts';
import { type OfficialModels, parseOfficial } from './official-config.ts';
import type { TrainedGenerator } from './token-sampler.ts';

/** Where the sizes of published weights are from, and what belongs to them. */
export interface PublishedOptions {
  /** A configuration file of the paper's code, YAML or JSON. Default: `config.json` beside the weights, if there is one. */
  readonly config?: string | undefined;
  /** 's128', 'b64', 'l32', …; default: the one whose tensors are those of the file. */
  readonly preset?: string | undefined;
  /** The weights of a generator's tokenizer. Default: those beside it whose name has 'tokenizer' in place of 'generator'. */
  readonly tokenizer?: string | undefined;
}

/** What weights are of. */
type Family = 'tokenizer' | 'generator' | 'teacher';

/** Each by a tensor that the others do not have. */
const families: readonly { key: string; family: Family; name: string }[] = [
  { key: 'latent_tokens', family: 'tokenizer', name: 'a TiTok' },
  { key: 'model.lm_head.weight', family: 'generator', name: 'a MaskGIT generator (ImageBert)' },
  { key: 'mid_block.norm1.weight', family: 'generator', name: 'a MaskGIT generator (U-ViT)' },
  { key: 'encoder.down.0.block.0.conv1.weight', family: 'teacher', name: 'a MaskGIT-VQGAN, the teacher' },
];

/** Whether a file or a folder has weights as others publish them, and not a model or a checkpoint of ours. */
export function isPublished(path: string): boolean {
  using file = openTensorFile(path);
  return !file.metadata['format']?.startsWith('titok-ts');
}

/** What published weights are of. @throws CheckpointError for weights of something else */
export function publishedFamily(path: string): Family {
  using file = openTensorFile(path);
  return familyOf(path, file);
}

/** The published teacher, MaskGIT-VQGAN. */
export function openPublishedTeacher(path: string): Teacher {
  using file = openTensorFile(path);
  expectFamily(path, file, 'teacher');
  return outsideScopes(() => load(new Teacher(vqganOf(file), new ZeroRng()), path, file));
}

/**
 * A published tokenizer, or a generator with its tokenizer.
 *
 * @param path  of a file of weights, or of a folder with one
 * @throws CheckpointError when the file is of another kind, damaged or of another model; OptionError for a configuration or a
 *   preset that does not exist or does not fit
 */
export function openPublished(path: string, options: PublishedOptions = {}): Model {
  if (publishedFamily(path) !== 'generator') {
    expectOption(options.tokenizer === undefined, '--tokenizer', 'a generator beside it', path, 'Leave it out.');
    const tokenizer = openPublishedTokenizer(path, options);
    return { tokenizer, classes: [], sampling: {}, metadata: describe(path, tokenizer.config) };
  }
  const generator = openGenerator(path, options);
  const tokenizerPath = options.tokenizer ?? tokenizerBeside(path);
  const tokenizer = openPublishedTokenizer(
    tokenizerPath,
    options.config === undefined ? {} : { config: options.config },
  );
  const [own, other] = [generator.generator.config, tokenizer.config];
  for (const name of ['latentTokens', 'codebookSize'] as const)
    if (own[name] !== other[name])
      throw new CheckpointError(
        `${path}: expected a tokenizer with ${name} ${own[name]}, got ${other[name]} in ${tokenizerPath}. Name its own with --tokenizer.`,
      );
  return { tokenizer, ...generator, metadata: describe(path, tokenizer.config, generator) };
}

/** The tokenizer that weights are of. @throws as `openPublished`; CheckpointError when they are of stage 1 or a generator */
export function openPublishedTokenizer(path: string, options: PublishedOptions = {}): TiTok {
  using file = openTensorFile(path);
  expectFamily(path, file, 'tokenizer');
  const known = Object.entries<TiTokConfig>(presets).flatMap(([name, config]): [string, TiTokConfig][] =>
    config.pixelDecoder ? [[name, config], [name, warmupConfig(config)]] : [[name, config]]); // biome-ignore format: one thought
  const make = (config: TiTokConfig) => () => new TiTok(config, new ZeroRng());
  const config = configOf(path, file, options, known, make, (official) => official.tokenizer);
  return outsideScopes(() => expectPixelHead(load(make(config)(), path, file), path));
}

function openGenerator(path: string, options: PublishedOptions): TrainedGenerator {
  using file = openTensorFile(path);
  const make = (config: GeneratorConfig) => () => createGenerator(config, new ZeroRng());
  let sampling: TrainedGenerator['sampling'] | undefined;
  const known = Object.entries<GeneratorConfig>(publishedGenerators);
  const config = configOf(path, file, options, known, make, ({ generator }) => {
    sampling = generator?.sampling;
    return generator?.config;
  });
  const preset = Object.entries<GeneratorConfig>(publishedGenerators).find(([, other]) => other === config)?.[0];
  const generator = outsideScopes(() => load(make(config)(), path, file));
  return {
    generator,
    classes: config.classes === imagenetClasses.length ? imagenetClasses : numbered(config.classes),
    sampling: sampling ?? publishedSampling[preset as keyof typeof publishedSampling],
  };
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

/** @throws CheckpointError for a model before stage 2, which gives a teacher's codes */
export function expectPixelHead(model: TiTok, path: string): TiTok {
  if (model.config.head === 'pixels' || model.config.pixelDecoder) return model;
  throw new CheckpointError(
    `checkpoint ${path}: expected a model that gives pixels (finetune or single), got stage 1, which gives a teacher's codes.`,
  );
}

/** Models of the paper's code that are not read, by a name that only they have. */
const otherModels: readonly [name: RegExp, model: string][] = [
  [/^decoder\.text_guidance/, 'TA-TiTok, which decodes with a text'],
  [/^target_aware_pos_embed$|^adaln_before_head\./, 'RAR, which generates codes of a 2-D tokenizer'],
  [/^text_emb|^diffloss\.|^decoder_pos_embed_learned$/, 'MaskGen, which generates from text'],
];

/** What the tensors of a file are of: 'a TiTok', 'TA-TiTok, which decodes with a text', …; undefined where no name tells. */
export function recognize({ entries }: Pick<TensorFile, 'entries'>): string | undefined {
  const names = [...entries.keys()];
  const other = otherModels.find(([name]) => names.some((found) => name.test(found)));
  if (other) return other[1];
  return families.find(({ key }) => entries.has(key))?.name;
}

/** @throws CheckpointError for weights of something else */
function familyOf(path: string, file: TensorFile): Family {
  const name = recognize(file);
  const family = families.find((family) => family.name === name)?.family;
  if (family) return family;
  const some = [...file.entries.keys()].slice(0, 3).join(', ');
  throw new CheckpointError(
    `${path}: expected a model that titok export wrote, or published weights of a TiTok or of a MaskGIT on its tokens, got ${name ? `those of ${name}` : some ? `tensors named ${some}, …` : 'no tensors'}.`,
  );
}

function expectFamily(path: string, file: TensorFile, expected: Family): void {
  const got = familyOf(path, file);
  if (got !== expected) throw new CheckpointError(`${path}: expected the weights of a ${expected}, got a ${got}.`);
}

/** The sizes of weights. @throws OptionError when none are known, CheckpointError when a preset's are others */
function configOf<C extends object>(
  path: string,
  file: TensorFile,
  { config: named, preset }: PublishedOptions,
  known: readonly [string, C][],
  make: (config: C) => () => object,
  pick: (official: OfficialModels) => C | undefined,
): C {
  const beside = join(dirname(weightFileAt(path)), 'config.json');
  const from = named ?? (preset === undefined && existsSync(beside) ? beside : undefined);
  if (from !== undefined) {
    const config = pick(parseOfficial(readConfig(from), from));
    if (config) return config;
    throw new OptionError(`${from}: expected a configuration with a generator, got one without.`);
  }
  const misfit = (config: C) =>
    Object.entries(parameterShapes(make(config))).find(
      ([name, shape]) => show(file.entries.get(name)?.shape ?? []) !== show(shape),
    );
  const size = (config: C) => Object.keys(parameterShapes(make(config))).length;
  const fits = known.filter(([, config]) => !misfit(config)).sort(([, a], [, b]) => size(b) - size(a))[0];
  const names = [...new Set(known.map(([name]) => name))];
  if (preset === undefined) {
    if (fits) return fits[1];
    throw new OptionError(
      `--preset: expected the sizes of the published weights in ${path}, one of ${names.join(', ')} or a --config, got none.`,
    );
  }
  const asked = known.filter(([name]) => name === preset);
  if (asked.length === 0)
    throw new OptionError(
      `--preset: expected the sizes of the published weights in ${path}, one of ${names.join(', ')}, got ${preset}${suggestion(preset, names)}.`,
    );
  if (fits?.[0] === preset) return fits[1];
  const [name, shape] = misfit(asked[0][1])!;
  const found = file.entries.get(name);
  throw new CheckpointError(
    `checkpoint ${path}: '${name}' ${found ? `is ${show(found.shape)} in the file` : 'is missing from the file'}, ${show(shape)} in the model of preset ${preset}. ` +
      (fits ? `Was it saved with preset ${fits[0]}?` : 'Was it saved with another preset?'),
  );
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OptionError(`${path}: expected a configuration of the paper's code, got ${(error as Error).message}.`);
  }
}

/** The sizes of a MaskGIT-VQGAN, which its tensors say. */
function vqganOf({ entries }: TensorFile): VqganConfig {
  const sizeOf = (name: string, axis: number) => entries.get(name)?.shape[axis] ?? 0;
  const count = (name: (i: number) => string) => {
    let i = 0;
    while (entries.has(name(i))) i++;
    return i;
  };
  const hiddenChannels = sizeOf('encoder.conv_in.weight', 0) || publishedVqgan.hiddenChannels;
  const convolution = (level: number, block: number) => `encoder.down.${level}.block.${block}.conv1.weight`;
  return {
    kind: 'vqgan',
    hiddenChannels,
    channelMult: Array.from(
      { length: count((level) => convolution(level, 0)) },
      (_, level) => sizeOf(convolution(level, 0), 0) / hiddenChannels,
    ),
    resBlocks: count((block) => convolution(0, block)),
    zChannels: sizeOf('quantize.embedding.weight', 1),
    codebookSize: sizeOf('quantize.embedding.weight', 0),
  };
}

/** Buffers that older libraries saved with the weights. */
const isBuffer = (name: string): boolean => name.endsWith('position_ids');

/** Reads one tensor after the other, so that the file is never in memory as a whole. */
function load<M extends object>(model: M, path: string, file: TensorFile): M {
  const names = [...file.entries.keys()].filter((name) => !isBuffer(name));
  const values = Object.fromEntries(names.map((name) => [name, valueIn(path, file, name)]));
  loadStateDict(model, values, { isNew: true, source: `checkpoint ${path}` });
  return model;
}

/** A tensor of a file. Its values are read on access. @throws CheckpointError on access, for whole numbers */
export const valueIn = (path: string, file: TensorFile, name: string): StateValue => ({
  shape: file.entries.get(name)!.shape,
  get data() {
    const { data, dtype } = file.read(name);
    if (data instanceof Float32Array) return data;
    throw new CheckpointError(`checkpoint ${path}: expected numbers with a fraction in '${name}', got ${dtype}.`);
  },
});

/** generator_titok_s128.bin → tokenizer_titok_s128.bin beside it; of folders the same. */
function tokenizerBeside(path: string): string {
  const beside = join(dirname(path), basename(path).replace('generator', 'tokenizer'));
  if (basename(path).includes('generator') && existsSync(beside)) return beside;
  throw new OptionError(
    `--tokenizer: expected the weights of the tokenizer that the generator in ${path} was trained with, got none.`,
  );
}

function describe(path: string, model: TiTokConfig, trained?: TrainedGenerator): Model['metadata'] {
  return {
    name: basename(path),
    precision: 'float32',
    settings: {
      model,
      ...(trained && { generator: trained.generator.config, classes: trained.classes, sampling: trained.sampling }),
    },
    data: { name: 'ImageNet', classes: [...(trained?.classes ?? [])], train: 0, heldOut: 0, licenses: [] },
    seed: 0,
    packageVersion: '',
    commands: [],
    figures: [],
  };
}
