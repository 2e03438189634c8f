/** What a run has trained, as a model. */
import { createRequire } from 'node:module';
import { basename, resolve } from 'node:path';
import { emojiLicenses } from '../data/index.ts';
import { withPixelDecoder } from '../titok/index.ts';
import { finetune, finetuneSettings } from './finetune.ts';
import { generator } from './generator.ts';
import type { Model, ModelMetadata } from './model.ts';
import type { RunFolder } from './run-folder.ts';
import { single } from './single.ts';
import type { RunContext, Stage } from './stage.ts';
import { teacher } from './teacher.ts';
import { warmup } from './warmup.ts';

const { version: packageVersion } = createRequire(import.meta.url)('titok-ts/package.json') as { version: string };

/**
 * A run's tokenizer, and its generator if there is one.
 *
 * @throws CheckpointError when there is no tokenizer that gives pixels, or when the generator was made with another one
 */
export async function modelOf(run: RunFolder & RunContext): Promise<Model> {
  const model = openRunModel(run);
  if (model.generator) await run.expectMadeWith(generator, { tokenizer: model.tokenizer });
  return model;
}

/** As `modelOf`, without comparing the two. */
export function openRunModel(run: RunFolder & RunContext): Model {
  const tokenizer = run.pixelTokenizer();
  const trained = run.has(generator) ? run.model(generator) : { classes: [], sampling: {} };
  return { tokenizer, ...trained, metadata: describe(run, tokenizer.config, stagesOf(run)) };
}

/**
 * What a run that may still be training can show: the model of its latest checkpoints. Before stage 2 it is stage 1 behind
 * its teacher's decoder; a generator counts only if it was made with this tokenizer.
 *
 * @returns undefined while there is nothing that gives pixels
 */
export async function modelSoFar(run: RunFolder & RunContext): Promise<Model | undefined> {
  const stages = stagesOf(run);
  if (stages.length > 0) {
    const model = openRunModel(run);
    const { tokenizer } = model;
    const own = stages.filter((stage) => stage !== generator);
    if (!model.generator || own.length === 0) return model;
    const isCurrent = await run.expectMadeWith(generator, { tokenizer }).then(
      () => true,
      () => false,
    );
    if (isCurrent) return model;
    return { tokenizer, classes: [], sampling: {}, metadata: describe(run, tokenizer.config, own) };
  }
  if (![teacher, warmup].every((stage) => run.has(stage))) return undefined;
  const { sharpness } = finetuneSettings.parse({});
  const tokenizer = withPixelDecoder(run.model(warmup), run.model(teacher), sharpness);
  return { tokenizer, classes: [], sampling: {}, metadata: describe(run, tokenizer.config, [warmup]) };
}

/** The stages of a run that its model consists of: the tokenizer's, unless it is that of another model, and the generator. */
export const stagesOf = (run: RunFolder): Stage[] =>
  [[finetune, single].find((stage) => run.has(stage)) ?? [], generator].flat().filter((stage) => run.has(stage));

/** @param stages  that the model consists of */
function describe(run: RunFolder & RunContext, model: object, stages: readonly Stage[]): ModelMetadata {
  const metas = stages.map((stage) => run.meta(stage));
  const { origin } = metas[0];
  const path = origin?.data.source?.path;
  const from = metas.map(({ settings }) => settings['from']).find((from) => typeof from === 'string' && from !== '');
  const earlier = typeof from === 'string' ? run.modelFrom(from).metadata : undefined;
  const own = path === 'emoji' ? emojiLicenses() : [];
  const known = new Set(own.map(({ source }) => source));
  const trained = stages.includes(generator) ? run.meta(generator).settings : undefined;
  return {
    name: basename(resolve(run.folder)),
    precision: 'float32',
    settings: {
      model,
      ...(trained && { generator: trained['generator'], classes: trained['classes'], sampling: trained['sampling'] }),
    },
    data: {
      name: path !== undefined ? basename(path) : origin?.data.tokens ? 'tokens' : 'unknown',
      classes: origin?.data.classes ?? [],
      train: origin?.data.train.count ?? 0,
      heldOut: origin?.data.heldOut.count ?? 0,
      licenses: [...own, ...(earlier?.data.licenses ?? []).filter(({ source }) => !known.has(source))],
    },
    seed: run.seed,
    packageVersion,
    commands: earlier?.commands ?? [],
    figures: [],
  };
}
