/** Sampling with preset tiny: eight guided MaskGIT steps from class to tokens, then tokens to pixels. Cases b1 and b16. */
import { noGrad, Rng, tensor, tidy } from '../../core/index.ts';
import { createGenerator, drawsFrom, laptopGenerators, type SamplingOptions, sample } from '../../maskgit/index.ts';
import { countParameters } from '../../nn/index.ts';
import { leanTeacher, presets, TiTok } from '../../titok/index.ts';
import { serve, type Workload } from '../serve.ts';
import { filled } from '../values.ts';

/** The same numbers as in bench/pytorch/sample.py, so not the library's defaults. */
const sampling: SamplingOptions = {
  steps: 8,
  guidance: 'linear',
  guidanceScale: 3,
  randomizeTemperature: 3,
  annealing: true,
};

const batchOf = (batch: number) => async (): Promise<Workload> => {
  const rng = new Rng(0);
  const generator = filled(createGenerator(laptopGenerators.tiny, rng), 'generator.');
  const tokenizer = filled(new TiTok({ ...presets.tiny, pixelDecoder: leanTeacher }, rng));
  const { latentTokens } = presets.tiny;
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 8);
  const draw = async (options: { randomizeTemperature?: number } = {}) => {
    const ids = await sample(generator, labels, { ...sampling, ...options }, drawsFrom(rng));
    return noGrad(() => tidy(() => tokenizer.decodeTokens(tensor(ids, [batch, latentTokens]))));
  };
  return {
    run: async () => (await draw()).dispose(),
    check: await draw({ randomizeTemperature: 0 }), // without noise, both sides choose the same tokens
    parameters: countParameters({ generator, tokenizer }),
  };
};

await serve({ b1: batchOf(1), b16: batchOf(16) });
