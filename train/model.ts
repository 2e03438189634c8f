/** A trained model without its training: a tokenizer, perhaps a generator, and what is known about them. */
import * as z from 'zod';
import { CheckpointError } from '../core/index.ts';
import { precisions } from '../data/browser.ts';
import type { Generator, SamplingOptions } from '../maskgit/index.ts';
import type { TiTok } from '../titok/index.ts';

const figure = z.union([z.number(), z.string(), z.null()]);

/** What a model's file says beside its weights. */
export const modelMetadata = z.looseObject({
  name: z.string(),
  /** Of the weights in the file. */
  precision: z.enum(precisions),
  /** `model`: the tokenizer's configuration; `generator`, `classes` and `sampling` where there is a generator. */
  settings: z.record(z.string(), z.unknown()),
  /** The images that it learned from, and whose they are. A model that went on from another one names the licenses of both. */
  data: z.object({
    name: z.string(),
    classes: z.array(z.string()),
    train: z.int().min(0),
    heldOut: z.int().min(0),
    licenses: z.array(
      z.object({
        title: z.string(),
        author: z.string(),
        license: z.string(),
        licenseUrl: z.string(),
        source: z.string(),
      }),
    ),
  }),
  seed: z.int().min(0),
  /** Of titok-ts. */
  packageVersion: z.string(),
  /** The commands that made it, in their order. */
  commands: z.array(z.string()),
  /** Rows of the results table: on held-out images, with the weights in float32. */
  figures: z.array(z.object({ name: z.string() }).catchall(figure)),
  /** Held-out images behind the figures; all when left out. */
  measured: z.int().min(0).optional(),
  /** The same with the weights as they are in the file. FD-MNv2 (96-d), not FID. */
  written: z.object({ psnr: z.number(), fd: z.number(), sampleFd: z.number().optional() }).optional(),
});
/** Name, settings, data, figures and origin of a model. */
export type ModelMetadata = z.output<typeof modelMetadata>;

/** What `loadModel` returns. */
export interface Model {
  /** Gives pixels: `decodeTokens` returns images. */
  readonly tokenizer: TiTok;
  /** Undefined for a tokenizer alone. */
  readonly generator?: Generator;
  /** Those of the generator; none without it. */
  readonly classes: readonly string[];
  /** How the generator was meant to be sampled. */
  readonly sampling: SamplingOptions;
  readonly metadata: ModelMetadata;
}

/** A model that can draw. @throws CheckpointError when it is a tokenizer alone */
export function withGenerator(model: Model): Model & { readonly generator: Generator } {
  const { generator, metadata } = model;
  if (generator) return { ...model, generator };
  throw new CheckpointError(
    `model ${metadata.name}: expected a generator, got a tokenizer alone. Train one with 'titok train generator', or choose another model.`,
  );
}
