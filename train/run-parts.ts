/** A run's images and models, as its stages use them. */
import { join } from 'node:path';
import type * as z from 'zod';
import { CheckpointError, outsideScopes, Rng, type Tensor } from '../core/index.ts';
import {
  batches,
  type Dataset,
  loadCheckpoint,
  openTensorFile,
  type RgbImage,
  readTokensFile,
  type TokensFile,
  writePng,
} from '../data/index.ts';
import type { StateValue } from '../nn/index.ts';
import type { MobileNetTrunk, PublishedPerceptualLoss, TiTok } from '../titok/index.ts';
import {
  type FeatureStatistics,
  measureReconstruction,
  type Reconstruct,
  type Reconstruction,
  statisticsOf,
} from './evaluate.ts';
import { finetune } from './finetune.ts';
import { flippable } from './flips.ts';
import { generator } from './generator.ts';
import type { Model } from './model.ts';
import { isRunFolder, openModel } from './open-model.ts';
import { openPerceptual } from './perceptual-network.ts';
import { drawReconstructions, drawSheet } from './pictures.ts';
import { isPublished } from './published.ts';
import { fetchedPath, localOptions, localPath, parseHubName, tokenizerOf } from './published-names.ts';
import { fingerprint, RunFolder } from './run-folder.ts';
import { type ImageOptions, RunImages } from './run-images.ts';
import { openRunModel } from './run-model.ts';
import type { Sheet } from './sheet.ts';
import { single } from './single.ts';
import type { RunContext, Stage, StageName } from './stage.ts';
import { expectTokensOf } from './tokens-file.ts';
import { openTrunk } from './trunk.ts';

/** Options of `RunParts`. */
export interface PartsOptions extends ImageOptions {
  /** Of weights, data order and samples. Default: as in the run's checkpoints, else 0. */
  readonly seed?: number;
  /** Receives messages: about long preparations, settings without effect, images that are not mirrored. */
  readonly notify?: (message: string) => void;
}

/** A run without its trainings: models, images, and what is measured and drawn with them. */
export class RunParts extends RunFolder implements RunContext {
  readonly seed: number;
  readonly notify: (message: string) => void;
  protected readonly images: RunImages;
  /** Of what is drawn. */
  protected caption = '';
  readonly #models = new Map<StageName, unknown>();
  readonly #modelsFrom = new Map<string, Model>();
  #tokenizerFrom: string | undefined;
  #tokens: TokensFile | undefined;
  #trunk: MobileNetTrunk | undefined;
  #originals: FeatureStatistics | undefined;

  constructor(folder: string, options: PartsOptions = {}) {
    super(folder);
    this.seed = options.seed ?? this.before()?.origin?.seed ?? 0;
    this.notify = options.notify ?? (() => {});
    this.images = new RunImages(this, options, this.seed, this.notify);
  }

  /** The model of a stage: the one trained in this process, or from its checkpoint. @throws CheckpointError when there is none */
  model<M>(stage: Stage<z.ZodType, M>): M {
    const { name } = stage;
    if (!this.#models.has(name))
      this.#models.set(
        name,
        outsideScopes(() => stage.load(this.open(stage).saved)),
      );
    return this.#models.get(name) as M;
  }

  /** The model that was just trained, or none: the next that asks reads the checkpoint. */
  protected setModel({ name }: Stage, model?: unknown): void {
    if (model === undefined) this.#models.delete(name);
    else this.#models.set(name, model);
  }

  /** The best tokenizer that turns tokens into pixels: fine-tuned, or single-stage; else that of the model `from`. */
  pixelTokenizer(from?: string): TiTok {
    const stage = [finetune, single].find((s) => this.has(s));
    if (stage) return this.model(stage);
    this.#tokenizerFrom =
      from || this.#tokenizerFrom || (this.has(generator) && this.settingsOf(generator)?.from) || undefined;
    if (this.#tokenizerFrom) return this.modelFrom(this.#tokenizerFrom).tokenizer;
    throw new CheckpointError(
      `run ${this.folder}: expected finetune.safetensors or single.safetensors, got neither. Run 'npm run quickstart' or 'titok train finetune' first, or give another --name.`,
    );
  }

  modelFrom(from: string): Model {
    const model = this.#modelsFrom.get(from) ?? openFrom(from);
    this.#modelsFrom.set(from, model);
    return model;
  }

  /** Fetches the model that --from names, if it is on the hub. @throws DataError when the hub does not have it */
  async fetchFrom(from: string): Promise<void> {
    let told: string | undefined;
    const onProgress = (file: string, _: number, bytes: number) => {
      if (told !== file) this.notify(`Fetching ${file} of ${from}: ${(bytes / 1e6).toPrecision(2)} MB`);
      told = file;
    };
    await localPath(from, { onProgress });
    await localOptions(from, { onProgress });
  }

  /** The run's images at a size, loaded once. @throws OptionError when the run has images of another size */
  async dataset(imageSize?: number): Promise<Dataset> {
    return (await this.images.at(imageSize)).dataset;
  }

  get hasImages(): boolean {
    return this.images.isGiven;
  }

  /** A file of tokens, read once. @throws DataError when it is damaged */
  readTokens(path: string): TokensFile {
    if (this.#tokens?.path !== path) this.#tokens = readTokensFile(path);
    return this.#tokens;
  }

  async tokensFrom(path: string, { model, ...sizes }: Parameters<RunContext['tokensFrom']>[1]): Promise<TokensFile> {
    const file = this.readTokens(path);
    expectTokensOf(file, { ...sizes, tokenizer: await fingerprint(model) });
    return file;
  }

  override clear(kept?: Pick<Stage, 'name'>): void {
    super.clear(kept);
    this.#models.clear();
  }

  rng(stage: number): Rng {
    return new Rng(this.seed + stage);
  }

  async batches(imageSize: number, batchSize: number, stream: number) {
    const dataset = await this.dataset(imageSize);
    const { count } = dataset.train;
    if (batchSize > count)
      this.notify(`batchSize ${batchSize}: there are only ${count} training images, so each batch repeats some.`);
    return batches(dataset.train, { batchSize, seed: 1000 * this.seed + stream, flip: flippable(dataset) });
  }

  weightsOf(path: string): Readonly<Record<string, StateValue>> {
    if (!isPublished(path)) return loadCheckpoint(path).groups['model'] ?? {};
    using file = openTensorFile(path);
    return Object.fromEntries([...file.entries.keys()].map((name) => [name, file.read(name)]));
  }

  get trunk(): MobileNetTrunk {
    this.#trunk ??= openTrunk();
    return this.#trunk;
  }

  perceptual(name: string, files: readonly string[]): PublishedPerceptualLoss {
    return openPerceptual(name, files);
  }

  async originals(): Promise<FeatureStatistics> {
    this.#originals ??= await statisticsOf(this.trunk, (await this.dataset()).validation);
    return this.#originals;
  }

  async evaluateReconstruction(codebookSize: number, reconstruct: Reconstruct): Promise<Reconstruction> {
    const { validation } = await this.dataset();
    return measureReconstruction(this.trunk, await this.originals(), validation, codebookSize, reconstruct);
  }

  async drawSheet(file: string, sheet: Sheet, labels: readonly string[], pictures: readonly RgbImage[]): Promise<void> {
    await writePng(join(this.folder, file), await drawSheet(sheet, labels, pictures, this.caption));
  }

  async drawReconstructions(
    file: string,
    models: Readonly<Record<string, (images: Tensor) => Tensor>>,
    columns?: number,
  ): Promise<void> {
    const { validation } = await this.dataset();
    await drawReconstructions(join(this.folder, file), validation, models, { columns, caption: this.caption });
  }
}

function openFrom(from: string): Model {
  if (isRunFolder(from)) return openRunModel(new RunParts(from));
  const tokenizer = tokenizerOf(from);
  const model = openModel(fetchedPath(from), undefined, tokenizer ? { tokenizer: fetchedPath(tokenizer) } : {});
  return parseHubName(from) ? { ...model, metadata: { ...model.metadata, name: from } } : model;
}
