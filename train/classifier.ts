/** A classifier of pictures for the inception score, learned from pictures with classes in a moment. */
import { inceptionScore, inverseTemperature, LinearProbe } from '../eval/index.ts';
import { type FeatureStatistics, featureCount } from './evaluate.ts';

/**
 * Ridge regression from MobileNetV2 features to classes, its outputs scaled so that their softmax fits the pictures that it
 * learned from. It stands in for Inception, so its scores compare only with its own.
 */
export class FeatureClassifier {
  readonly #probe: LinearProbe;
  readonly #scale: number;
  readonly #classes: number;

  /** @param labels  0..classes−1, one for each picture */
  constructor(pictures: FeatureStatistics, labels: ArrayLike<number>, classes: number) {
    const { features } = pictures;
    this.#probe = new LinearProbe(features, { labels, classes, dim: featureCount });
    this.#scale = inverseTemperature(this.#probe.scores(features), labels, classes);
    this.#classes = classes;
  }

  /** The classes that it puts pictures into. */
  predict({ features }: FeatureStatistics): Int32Array {
    return this.#probe.predict(features);
  }

  /** 1 to the number of classes. */
  inceptionScore({ features }: FeatureStatistics): number {
    const scores = this.#probe.scores(features);
    return inceptionScore(
      scores.map((score) => this.#scale * score),
      this.#classes,
    );
  }
}
