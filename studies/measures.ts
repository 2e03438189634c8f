/** What is measured of a trained row. */
import { mean, noGrad, type Tensor, tidy } from '../core/index.ts';
import { batchOf, type ImageSet } from '../data/index.ts';
import { LinearProbe } from '../eval/index.ts';
import type { TiTok } from '../titok/index.ts';
import { evaluateSamples, finetune, imagesAtOnce, inParts, type Run, single, spread, warmup } from '../train/index.ts';
import type { Figures } from './figures.ts';
import { generatorParameters, reconstructorOf, samplerOf } from './models.ts';
import type { Row } from './row.ts';

/** Figures of a row's run. */
export type Measure = (run: Run, row: Row) => Promise<Figures>;

/** Held-out pictures through tokens and back. */
export const reconstruction: Measure = async (run, row) => {
  const { codebookSize, reconstruct } = reconstructorOf(run, row);
  const { psnr, fd, codesUsed = null, perplexity = null } = await run.evaluateReconstruction(codebookSize, reconstruct);
  return { psnr, fd, codesUsed, perplexity };
};

const mostProbed = 3000; // training pictures that the probe learns from

/** How well a linear map tells the classes from the encoder's last hidden states, averaged over the latent tokens. */
export const latentProbe: Measure = async (run) => {
  const stage = [finetune, single, warmup].find((stage) => run.has(stage));
  if (!stage) return {};
  const model = run.model(stage);
  const { train, validation, classes } = await run.dataset();
  const dim = model.config.encoder.width;
  const chosen = spread(train.count, mostProbed);
  const labels = chosen.map((index) => train.labels[index]);
  const probe = new LinearProbe(await pooledLatents(model, train, chosen), { labels, classes: classes.length, dim });
  const held = await pooledLatents(model, validation, spread(validation.count, validation.count));
  return { probe: 100 * probe.accuracy(held, validation.labels) };
};

/** [indices, width]: the encoder's latent tokens before their projection to codes, averaged. */
async function pooledLatents(model: TiTok, set: ImageSet, indices: readonly number[]): Promise<Float32Array> {
  const rows: number[] = [];
  for (const part of inParts(indices, Math.min(32, imagesAtOnce(set.size)))) {
    const { images, labels } = batchOf(
      set,
      part.map((index) => ({ index, mirrored: false })),
    );
    const pooled = noGrad(() => tidy(() => pool(model, images)));
    rows.push(...(await pooled.data()));
    for (const t of [pooled, images, labels]) t.dispose();
  }
  return Float32Array.from(rows);
}

function pool(model: TiTok, images: Tensor): Tensor {
  const seen: Tensor[] = [];
  model.encodeLatents(images, (name, x) => {
    if (name === 'enc.ln_post') seen.push(x); // [batch, K, width]
  });
  return mean(seen[0], 1);
}

/** Samples of the classes of the held-out pictures, and how fast they come. */
export const samples: Measure = async (run, row) => {
  const { fd, variety, samplesPerSecond } = await evaluateSamples(run, row.name, samplerOf(run, row));
  return { sampleFd: fd, variety, samplesPerSecond, parameters: generatorParameters(run) };
};

/** Training time of all stages of the row. */
export const time: Measure = async (run) => ({ seconds: run.secondsSpent });
