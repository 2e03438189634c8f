/** What a run has trained, as a model. */

import { createRequire } from 'node:module';
import { basename, resolve } from 'node:path';
import { emojiLicenses } from '../data/index.ts';
import { finetune } from './finetune.ts';
import { generator } from './generator.ts';
import type { Model, ModelMetadata } from './model.ts';
import type { RunFolder } from './run-folder.ts';
import { single } from './single.ts';
import type { RunContext } from './stage.ts';

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
  return { tokenizer, ...trained, metadata: describe(run, tokenizer.config) };
}

/** The stages of a run that its model consists of: the tokenizer's, unless it is that of another model, and the generator. */
export const stagesOf = (run: RunFolder) =>
  [[finetune, single].find((stage) => run.has(stage)) ?? [], generator].flat().filter((stage) => run.has(stage));

function describe(run: RunFolder & RunContext, model: object): ModelMetadata {
  const metas = stagesOf(run).map((stage) => run.meta(stage));
  const { origin } = metas[0];
  const path = origin?.data.source?.path;
  const from = metas.map(({ settings }) => settings['from']).find((from) => typeof from === 'string' && from !== '');
  const earlier = typeof from === 'string' ? run.modelFrom(from).metadata : undefined;
  const own = path === 'emoji' ? emojiLicenses() : [];
  const known = new Set(own.map(({ source }) => source));
  const trained = run.has(generator) ? run.meta(generator).settings : undefined;
  return {
    name: basename(resolve(run.folder)),
    precision: 'float32',
    settings: {
      model,
      ...(trained && { generator: trained['generator'], classes: trained['classes'], sampling: trained['sampling'] }),
    },
    data: {
      name: path === undefined ? 'unknown' : basename(path),
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
