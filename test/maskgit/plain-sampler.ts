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

/** Every field of a `SamplingState` but `step`, as plain numbers. */
export interface PlainState {
  readonly ids: number[];
  readonly guesses: number[];
  readonly confidence: number[];
  readonly kept: number[];
}

/** When sampling order 'halton' visits each of 6 positions: ⌊6 φ₂(i)⌋ is 3, 1, 4, 0, 3, 2, 5 for i = 1, 2, …, 7. */
const haltonRanksOf6 = [3, 1, 4, 0, 2, 5];

/** Top-k and top-p by counting, for each token, what goes before it. */
function likeliest(logits: number[], { topK, topP }: Required<SamplingOptions>): number[] {
  const powers = logits.map(Math.exp);
  const total = powers.reduce((a, b) => a + b);
  return logits.map((x, v) => {
    const before = logits.flatMap((y, w) => (y > x || (y === x && w < v) ? [w] : []));
    const mass = before.reduce((sum, w) => sum + powers[w] / total, 0);
    const kept = (topK === 0 || before.length < topK) && (topP === 1 || before.length === 0 || mass < topP);
    return kept ? x : -Infinity;
  });
}

/** The state before every step and after the last. @param start  batch·K ids; by default all are masks */
export async function plainSample(
  generator: Generator,
  labels: readonly number[],
  o: Required<SamplingOptions>,
  draws: SamplingDraws,
  start?: readonly number[],
): Promise<PlainState[]> {
  const { latentTokens: K, codebookSize: V } = generator.config;
  const logitsFor = (ids: readonly number[], labels: readonly number[]) =>
    noGrad(() => tidy(() => generator.forward(inputSequence(generator.config, ids, labels)))).data();
  const countMasked = (ids: readonly number[], row: number) =>
    ids.slice(row * K, (row + 1) * K).filter((id) => id === V).length;
  let ids = start ? [...start] : new Array<number>(labels.length * K).fill(V);
  const atStart = labels.map((_, row) => countMasked(ids, row));
  const stateOf = (ids: number[], guesses: number[], confidence: number[]): PlainState => ({
    ids,
    guesses,
    confidence,
    kept: ids.map((id) => (id === V ? 0 : 1)),
  });
  const known = ids.map((id) => (id === V ? 0 : 1));
  const states = [stateOf(ids, ids, known)];
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
    const keepDraws = o.order === 'confidence' ? draws.confidence(step, ids.length) : [];
    const drawn = [...ids];
    const probability = ids.map(() => 1);
    const certainty = ids.map((id, i) => {
      if (id !== V) return Infinity;
      const own = likeliest(logits.slice(i * V, (i + 1) * V), o);
      const noisy = temperature === 0 ? own : own.map((x, v) => x + gumbel(tokenDraws[i * V + v]));
      drawn[i] = noisy.indexOf(Math.max(...noisy));
      const powers = own.map((x) => Math.exp(x - Math.max(...own)));
      probability[i] = powers[drawn[i]] / powers.reduce((a, b) => a + b);
      if (o.order !== 'confidence') return -haltonRanksOf6[i % K];
      return own[drawn[i]] + (temperature === 0 ? 0 : gumbel(keepDraws[i]));
    });
    const before = ids;
    ids = drawn.map((id, i) => {
      const row = Math.floor(i / K);
      if (atStart[row] === 0) return id;
      const count = stillMasked(atStart[row], step, o.steps, countMasked(before, start ? row : 0), o.schedule);
      const rank = certainty.slice(row * K, (row + 1) * K).filter((c) => c < certainty[i]).length;
      return rank < count ? V : id;
    });
    states.push(stateOf(ids, drawn, probability));
  }
  return states;
}
