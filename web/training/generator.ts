/** MaskGIT on the page: a small generator learns the token rows of emoji, and emoji-32 draws what it samples. */
import { noGrad, Rng, tensor, tensorScope } from '../../core/index.ts';
import { drawsFrom, laptopGenerators, sample } from '../../maskgit/index.ts';
import { countParameters } from '../../nn/index.ts';
import {
  generator as generatorStage,
  parseModel,
  parseSettings,
  TokenBatches,
  trainGenerator,
} from '../../train/browser.ts';
import { fetchCached } from '../engine/fetch.ts';
import { toPixels } from '../engine/model.ts';
import type { Learner, LearnerContext } from './learners.ts';
import { parseTokenRows } from './token-rows.ts';

const shown = 8;

/** @throws Error in words for visitors when tokens or tokenizer cannot be fetched */
export async function generator({ plan, rng, tokenizer: url }: LearnerContext): Promise<Learner> {
  const rows = await fetchAll(new URL('../assets/emoji-rows.safetensors', import.meta.url).href, parseTokenRows);
  const { tokenizer, classes, sampling } = await fetchAll(url, (bytes) => parseModel(bytes, 'emoji-32'));
  const { latentTokens, codebookSize, imageSize } = tokenizer.config;

  const { steps, seed } = plan;
  const config = {
    ...laptopGenerators.smoke,
    latentTokens,
    codebookSize,
    classes: classes.length,
    dropout: 0, // too short to learn by heart
    attentionDropout: 0,
  };
  const settings = parseSettings(
    generatorStage.settings,
    {
      generator: config,
      steps,
      optimizer: 'muon', // held-out loss after 250 updates 4.73
      learningRate: 2e-3,
      warmupSteps: Math.min(20, steps),
      emaDecay: 0.95, // of some twenty updates
    },
    'generator on the page',
  );
  const { tokens, labels } = rows.train;
  const data = new TokenBatches(tokens, labels, settings.batchSize, seed);
  const training = trainGenerator({ ...settings, generator: config }, data, rng);
  return {
    training,
    parameters: countParameters(training.model),
    learned: labels.length,
    heldOut: rows.heldOut.labels.length,
    originals: [],
    classes,
    valueOf: ({ loss }) => loss,
    measure: async () => (await training.measureTokens(rows.heldOut.tokens, rows.heldOut.labels)).loss,
    async draw(className) {
      const label = Math.max(0, classes.indexOf(className ?? ''));
      const sampled = await training.ema.evaluate(() =>
        sample(training.model, Array(shown).fill(label), sampling, drawsFrom(new Rng(seed))),
      );
      using _ = tensorScope();
      const ids = tensor(sampled, [shown, latentTokens], { dtype: 'int32' });
      const values = await noGrad(() => tokenizer.decodeTokens(ids)).data();
      return {
        pictures: toPixels(values, imageSize),
        ids: Array.from({ length: shown }, (_, i) =>
          Array.from(sampled.subarray(i * latentTokens, (i + 1) * latentTokens)),
        ),
        psnr: undefined,
      };
    },
  };
}

async function fetchAll<T>(url: string, read: (bytes: Uint8Array) => T): Promise<T> {
  const parts = fetchCached(url, read);
  for (;;) {
    const { done, value } = await parts.next();
    if (done) return value;
  }
}
