/** A model on a dataset: its reconstructions, its samples and its latents. */
import { DataError, OptionError, type Tensor } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import { balancedAccuracy } from '../eval/index.ts';
import { throughTokens } from '../titok/index.ts';
import { FeatureClassifier } from './classifier.ts';
import {
  expectEnough,
  type FeatureStatistics,
  leastImages,
  measureReconstruction,
  type Reconstruction,
  statisticsOf,
} from './evaluate.ts';
import { type LatentProbe, probeLatents } from './latent-probe.ts';
import { type Model, withGenerator } from './model.ts';
import type { OnProgress } from './sampler.ts';
import { measureSamples, type SampleFigures, sampleRng } from './samples.ts';
import { count, group, parseSettings, seed } from './settings.ts';
import { titokSampler } from './token-sampler.ts';
import { openTrunk } from './trunk.ts';

/** Options of `evaluateModel`. */
export interface EvaluateOptions {
  /** Samples to draw, at least 6. Default: as many as there are held-out images. */
  readonly samples?: number;
  /** Of the samples. Default: the model's, which gives the figures that its training ended with. */
  readonly seed?: number;
  /** Called now and then with how many pictures went through a network, and how many will. */
  readonly onProgress?: OnProgress;
  /** Receives reconstructions and samples in batches [n, 3, size, size], not clamped, which are freed afterwards. */
  readonly onImages?: (kind: 'reconstructions' | 'samples', images: Tensor) => Promise<void> | void;
}

/** What a classifier of MobileNetV2 features makes of pictures; see `FeatureClassifier`. */
export interface ClassifierFigures {
  /** 1 to the number of classes. */
  readonly inceptionScore: number;
  /** Mean over classes of the share of pictures that it puts into their class: of samples, into the one asked for. */
  readonly accuracy: number;
}

/** Figures of a model. What needs classes is missing with a dataset without them. */
export interface ModelFigures {
  /** Of the held-out pictures themselves: what samples could reach. */
  readonly heldOut: { readonly pictures: number } & Partial<ClassifierFigures>;
  readonly reconstructions: Reconstruction;
  /** Missing without a generator. */
  readonly samples?: { readonly pictures: number } & SampleFigures & Partial<ClassifierFigures>;
  readonly latents?: LatentProbe;
}

/** Settings of `evaluateModel`. */
export const evaluateSettings = group({
  samples: count(1000, 'to draw', { least: leastImages, most: 100_000 }),
  seed: seed(0, 'of the samples'),
});

/**
 * Measures a model on the held-out images of a dataset. The classifier of the inception score and the linear probe of the
 * latents learn from its training images.
 *
 *   const model = await loadModel('emoji-32');
 *   const { samples } = await evaluateModel(model, await loadDataset('emoji', 32, { classes: 'subgroups' }));
 *
 * @throws DataError for fewer than 6 held-out images, or images of another size than the model's; OptionError for an option
 *   out of range, or when the generator does not know a class of the dataset
 */
export async function evaluateModel(
  model: Model,
  dataset: Dataset,
  { onProgress, onImages, ...options }: EvaluateOptions = {},
): Promise<ModelFigures> {
  const { tokenizer, generator, metadata } = model;
  const { validation, train, classes } = dataset;
  const given = { samples: validation.count, seed: metadata.seed, ...options };
  expectEnough(`${dataset.name}, held out`, validation.count);
  const { samples, seed } = parseSettings(evaluateSettings, given, 'evaluateModel');
  const { imageSize, codebookSize, latentTokens } = tokenizer.config;
  if (dataset.size !== imageSize) {
    throw new DataError(
      `${dataset.name}: expected images of ${imageSize}×${imageSize} pixels, as the model has them, got ${dataset.size}×${dataset.size}.`,
    );
  }
  const asked = generator && { ...validation, labels: labelsOf(model, dataset) };
  const hasClasses = classes.length > 1;

  const all = validation.count + train.count;
  const total = (hasClasses ? 2 * all : validation.count) + validation.count + (generator ? samples : 0);
  let done = 0;
  const tick = (images: number) => {
    done += images;
    onProgress?.(done, total);
  };
  const passed = (kind: 'reconstructions' | 'samples') => async (images: Tensor) => {
    tick(images.shape[0]);
    await onImages?.(kind, images);
  };

  const trunk = openTrunk();
  const originals = await statisticsOf(trunk, validation, tick);
  const classifier = hasClasses
    ? new FeatureClassifier(await statisticsOf(trunk, train, tick), train.labels, classes.length)
    : undefined;
  const classified = (pictures: FeatureStatistics, labels: Int32Array) =>
    classifier && {
      inceptionScore: classifier.inceptionScore(pictures),
      accuracy: balancedAccuracy(classifier.predict(pictures), labels),
    };
  const reconstruct = (images: Tensor) => {
    const { output, indices } = throughTokens(tokenizer, images, latentTokens);
    return { reconstruction: output, codes: indices };
  };
  const onReconstructions = passed('reconstructions');
  const reconstructions = await measureReconstruction(
    trunk,
    originals,
    validation,
    codebookSize,
    reconstruct,
    onReconstructions,
  );
  const drawn =
    asked &&
    (await measureSamples(titokSampler(withGenerator(model), tokenizer), {
      trunk,
      originals,
      set: asked,
      rng: sampleRng(seed),
      count: samples,
      onImages: passed('samples'),
    }));
  return {
    heldOut: { pictures: validation.count, ...classified(originals, validation.labels) },
    reconstructions,
    ...(drawn && {
      samples: {
        pictures: samples,
        ...drawn.figures,
        ...classified(drawn.features, inDataset(drawn.labels, model, dataset)),
      },
    }),
    ...(hasClasses && { latents: await probeLatents(tokenizer, dataset, tick) }),
  };
}

/** The held-out labels as classes of the generator. @throws OptionError for a class that it does not know */
function labelsOf({ classes, metadata }: Model, { validation, classes: names, name }: Dataset): Int32Array {
  return validation.labels.map((label) => {
    const at = classes.indexOf(names[label]);
    if (at >= 0) return at;
    throw new OptionError(
      `${name}: expected classes that the generator of ${metadata.name} knows (${classes.length}: ${classes.slice(0, 3).join(', ')}${classes.length > 3 ? ', …' : ''}), got '${names[label]}' among ${names.length}. Choose other --classes or --data.`,
    );
  });
}

const inDataset = (labels: Int32Array, { classes }: Model, dataset: Dataset): Int32Array =>
  labels.map((label) => dataset.classes.indexOf(classes[label]));
