/**
 * Training steps: s1 is a TiTok from pixels at width 192; tiny is preset tiny's warm-up with its frozen teacher; dit is preset
 * tiny's diffusion transformer.
 */
import { noGrad, Rng, type Tensor, tensor, tensorScope, tidy, valueAndGrad } from '../../core/index.ts';
import { addNoise, DiT, type DiTConfig, noiseSchedule } from '../../diffusion/index.ts';
import { AdamW, clipCoefficient, countParameters, globalNorm, mse, stateDict } from '../../nn/index.ts';
import { leanTeacher, presets, Teacher, TiTok, type TiTokConfig } from '../../titok/index.ts';
import { diffusion, parseSettings, trainWarmup, warmup } from '../../train/index.ts';
import { serve, type Workload } from '../serve.ts';
import { filled, images, signals } from '../values.ts';
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

/** Noise at different times, forward, loss, backward, clipping and AdamW. */
async function dit(): Promise<Workload> {
  const { model: config } = parseSettings(diffusion.settings, { model: { prediction: 'noise' } }, 'dit') as {
    model: DiTConfig;
  };
  const model = filled(new DiT(config, new Rng(0)));
  const params = stateDict(model);
  const optimizer = new AdamW({ params, lr: 1e-3, weightDecay: 0 });
  const shape = [32, config.channels, config.gridSize, config.gridSize];
  const [latents, noise] = ['latents', 'noise'].map((name) => tensor(signals(name, shape), shape));
  const times = Array.from({ length: 32 }, (_, i) => 31 * i);
  const labels = times.map((_, i) => i % 9);
  const schedule = noiseSchedule('linear');
  const run = () => {
    using _ = tensorScope();
    const { value, grads } = valueAndGrad(params, () =>
      mse(model.forward(addNoise(latents, noise, times, schedule), times, labels), noise),
    );
    optimizer.step(grads, { scale: clipCoefficient(globalNorm(Object.values(grads)), 1) });
    return value.item();
  };
  return { run, check: await firstLosses(run), parameters: countParameters(model) };
}

await serve({ s1, tiny, dit });
