/** Training steps of TiTok: s1 is trained from pixels at width 192; tiny is preset tiny's warm-up with its frozen teacher. */
import { noGrad, Rng, type Tensor, tensorScope, tidy, valueAndGrad } from '../../core/index.ts';
import { AdamW, clipCoefficient, countParameters, globalNorm, mse, stateDict } from '../../nn/index.ts';
import { leanTeacher, presets, Teacher, TiTok, type TiTokConfig } from '../../titok/index.ts';
import { parseSettings, trainWarmup, warmup } from '../../train/index.ts';
import { serve, type Workload } from '../serve.ts';
import { filled, images } from '../values.ts';
import { always, firstLosses, steady } from './training.ts';

const half = { width: 192, layers: 6, heads: 3, patchSize: 4 };
/** 64 patches and 32 latents, 6 + 6 blocks, 5.4 M parameters. */
const s1Config: TiTokConfig = {
  ...presets.tiny,
  latentTokens: 32,
  codebookSize: 1024,
  encoder: half,
  decoder: half,
  head: 'pixels',
};

/** Forward, vector quantizer, loss, backward, clipping and AdamW. */
async function s1(): Promise<Workload> {
  const model = filled(new TiTok(s1Config, new Rng(0)));
  const params = stateDict(model);
  const optimizer = new AdamW({ params, lr: 1e-3, weightDecay: 1e-4, decays: () => true });
  const pictures = images(32, 32);
  const run = () => {
    using _ = tensorScope();
    const { value, grads } = valueAndGrad(params, () => {
      const { output, quantizerLoss } = model.forward(pictures);
      return mse(output, pictures).add(quantizerLoss);
    });
    optimizer.step(grads, { scale: clipCoefficient(globalNorm(Object.values(grads)), 1) });
    return value.item();
  };
  return { run, check: await firstLosses(run), parameters: countParameters(model) };
}

/** The library's own recipe: teacher's codes, forward, three losses, backward, clipping, AdamW, codebook averages. */
async function tiny(): Promise<Workload> {
  const teacher = filled(new Teacher(leanTeacher, new Rng(0)), 'teacher.');
  const settings = parseSettings(warmup.settings, { ...steady, continuousSteps: 0, optimizer: 'adamw' }, 'tiny'); // what PyTorch has, too
  const training = trainWarmup(settings, teacher, always(images(16, 32)), new Rng(0));
  const { model } = training;
  filled(model);
  followCodes(training.state.groups()['codebook']['sum'], stateDict(model)['quantize.embedding.weight']);
  const run = async () => (await training.step()).loss;
  return { run, check: await firstLosses(run), parameters: countParameters(model) };
}

/** Sets the codebook's moving sums to those of equally used codes. */
function followCodes(sum: Tensor, codes: Tensor): void {
  noGrad(() => tidy(() => sum.assign(codes.mul(1 / codes.shape[0]))));
}

await serve({ s1, tiny });
