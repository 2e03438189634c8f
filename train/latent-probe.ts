/** Linear probe of a tokenizer's latents: what its encoder knows about classes that it has never seen. */
import { noGrad, tidy } from '../core/index.ts';
import { type Dataset, type ImageSet, type ImageStream, inOrder } from '../data/browser.ts';
import { balancedAccuracy, LinearProbe } from '../eval/index.ts';
import type { TiTok } from '../titok/index.ts';
import { imagesAtOnce } from './image-batches.ts';

/** How well a linear map of latents tells the classes of held-out pictures. */
export interface LatentProbe {
  /** Numbers in the latents of a picture: K tokens of C channels. */
  readonly latents: number;
  /** Share of the held-out pictures that the probe puts into their class. */
  readonly accuracy: number;
  /** The mean of that share over classes. */
  readonly balancedAccuracy: number;
  /** Share of the held-out pictures in the most frequent class of the training pictures: the accuracy of a guess. */
  readonly commonest: number;
}

/**
 * Learns classes from the latents z of training pictures, before quantization, and tries itself on held-out ones.
 *
 * @param onImages  called with the number of images of each batch
 * @see arXiv:2406.07550, Fig. 4 c, which probes ImageNet by gradient descent; this one solves a ridge regression
 */
export async function probeLatents(
  tokenizer: TiTok,
  { train, validation, classes }: Dataset,
  onImages?: (count: number) => void,
): Promise<LatentProbe> {
  const { latents, values } = await latentsOf(tokenizer, train, onImages);
  const probe = new LinearProbe(values, { labels: train.labels, classes: classes.length, dim: latents });
  const guesses = probe.predict((await latentsOf(tokenizer, validation, onImages)).values);
  const share = (isRight: (label: number, i: number) => boolean) =>
    validation.labels.filter(isRight).length / validation.count;
  const counts = classes.map((_, k) => train.labels.filter((label) => label === k).length);
  const most = counts.indexOf(Math.max(...counts));
  return {
    latents,
    accuracy: share((label, i) => guesses[i] === label),
    balancedAccuracy: balancedAccuracy(guesses, validation.labels),
    commonest: share((label) => label === most),
  };
}

async function latentsOf(tokenizer: TiTok, set: ImageSet | ImageStream, onImages?: (count: number) => void) {
  const rows: Float32Array[] = [];
  for (const { images, labels } of inOrder(set, Math.min(32, imagesAtOnce(set.size)))) {
    const isVae = tokenizer.config.quantizeMode === 'vae'; // whose latents have a mean and a variance
    const z = noGrad(() =>
      tidy(() => (isVae ? tokenizer.encodeContinuous(images).z : tokenizer.encodeLatents(images))),
    );
    rows.push(Float32Array.from(await z.data()));
    onImages?.(images.shape[0]);
    for (const t of [images, labels, z]) t.dispose();
  }
  const total = rows.reduce((sum, { length }) => sum + length, 0);
  const values = new Float32Array(total);
  let at = 0;
  for (const row of rows) {
    values.set(row, at);
    at += row.length;
  }
  return { latents: total / set.count, values };
}
