/** The sampling loop without any shortcut, in plain JavaScript behind the generator: the oracle of `sample`. */
import { noGrad, tidy } from '../../core/index.ts';
import {
  type Generator,
  guidanceAt,
  inputSequence,
  noiseTemperature,
  nullLabel,
  type SamplingDraws,
  type SamplingOptions,
  softmaxTemperature,
  stillMasked,
} from '../../maskgit/index.ts';

export async function plainSample(
  generator: Generator,
  labels: readonly number[],
  o: Required<SamplingOptions>,
  draws: SamplingDraws,
): Promise<number[]> {
  const { latentTokens: K, codebookSize: V } = generator.config;
  const logitsFor = (ids: readonly number[], labels: readonly number[]) =>
    noGrad(() => tidy(() => generator.forward(inputSequence(generator.config, ids, labels)))).data();
  let ids = new Array<number>(labels.length * K).fill(V);
  for (let step = 0; step < o.steps; step++) {
    const factor = guidanceAt(o.guidance, o.guidanceScale, step, o.steps, o.guidancePower);
    const withClass = await logitsFor(ids, labels);
    const without = await logitsFor(
      ids,
      labels.map(() => nullLabel(generator.config)),
    );
    const logits = Array.from(withClass, (c, i) => {
      const u = without[i];
      const guided = (o.guidance === 'power-cosine' ? u : c) + factor * (c - u);
      return o.annealing ? guided / softmaxTemperature(step, o.steps) : guided;
    });
    const temperature = o.randomizeTemperature * noiseTemperature(step, o.steps);
    const gumbel = (u: number) => -temperature * Math.log(-Math.log(u));
    const tokenDraws = draws.tokens(step, ids.length * V, 0);
    const keepDraws = draws.confidence(step, ids.length);
    const drawn = [...ids];
    const confidence = ids.map((id, i) => {
      if (id !== V) return Infinity;
      const own = logits.slice(i * V, (i + 1) * V);
      const noisy = temperature === 0 ? own : own.map((x, v) => x + gumbel(tokenDraws[i * V + v]));
      drawn[i] = noisy.indexOf(Math.max(...noisy));
      return own[drawn[i]] + (temperature === 0 ? 0 : gumbel(keepDraws[i]));
    });
    const masked = ids.slice(0, K).filter((id) => id === V).length;
    const count = stillMasked(K, step, o.steps, masked, o.schedule);
    ids = drawn.map((id, i) => {
      const row = Math.floor(i / K) * K;
      const rank = confidence.slice(row, row + K).filter((c) => c < confidence[i]).length;
      return rank < count ? V : id;
    });
  }
  return ids;
}
