/** maskgit_bert, maskgit_uvit: logits, loss, gradients and samples of a generator. */
import { grad, Rng, type Tensor, tensorScope } from '../../core/index.ts';
import {
  createGenerator,
  dropLabels,
  type Generator,
  type GeneratorConfig,
  type Guidance,
  inputSequence,
  maskedAccuracy,
  maskedTokenLoss,
  maskId,
  maskTokens,
  nullLabel,
  type SamplingDraws,
  type SamplingOptions,
  samplingSteps,
} from '../../maskgit/index.ts';
import { loadStateDict, type StateDict, stateDict } from '../../nn/index.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';
import { owned } from './owned.ts';

interface Settings {
  readonly model: {
    readonly vq_model: { readonly codebook_size: number; readonly num_latent_tokens: number };
    readonly generator: {
      readonly hidden_size: number;
      readonly num_hidden_layers: number;
      readonly num_attention_heads: number;
      readonly intermediate_size: number;
      readonly condition_num_classes: number;
    };
  };
  readonly losses: { readonly label_smoothing: number; readonly loss_weight_unmasked_token: number };
}

interface SampleCase {
  readonly guidance_scale: number;
  readonly guidance_decay: Guidance;
  readonly guidance_scale_pow?: number;
  readonly randomize_temperature: number;
  readonly softmax_temperature_annealing?: boolean;
  readonly num_sample_steps: number;
}

/** The generator of a file's configuration with the weights stored under a prefix. */
export function generatorOf(file: GoldenFile, prefix: string): Generator {
  const { vq_model, generator } = file.metadata<Settings>('config').model;
  const config: GeneratorConfig = {
    architecture: file.text('model_type') === 'UViT' ? 'uvit' : 'bert',
    codebookSize: vq_model.codebook_size,
    latentTokens: vq_model.num_latent_tokens,
    classes: generator.condition_num_classes,
    width: generator.hidden_size,
    layers: generator.num_hidden_layers,
    heads: generator.num_attention_heads,
    mlpWidth: generator.intermediate_size,
    dropout: 0,
    attentionDropout: 0,
    initializerRange: 0.02,
  };
  const model = createGenerator(config, new Rng(0));
  const { 'model.embeddings.position_ids': _positions, ...weights } = file.state(prefix);
  loadStateDict(model, weights);
  return model;
}

/** The masked-token loss with the file's settings. */
export function lossOf(file: GoldenFile, logits: Tensor, targets: ArrayLike<number>, masks: ArrayLike<number>): Tensor {
  const { label_smoothing, loss_weight_unmasked_token } = file.metadata<Settings>('config').losses;
  return maskedTokenLoss(logits, targets, masks, {
    labelSmoothing: label_smoothing,
    unmaskedWeight: loss_weight_unmasked_token,
  });
}

export async function maskgit(file: GoldenFile, check: Comparison): Promise<void> {
  using _ = tensorScope();
  const model = generatorOf(file, 'weights/');
  using _model = owned(model);
  await logitsAndGradients(file, check, model);
  const cases = file.metadata<Record<string, SampleCase>>('generate_cases');
  for (const [name, settings] of Object.entries(cases)) await samples(file, check, model, name, settings);
}

async function logitsAndGradients(file: GoldenFile, check: Comparison, model: Generator): Promise<void> {
  const { config } = model;
  const tokens = file.values('in/tokens');
  const labels = file.values('in/condition');
  const draws = { t: file.values('mask/in/uniform_t'), order: file.values('mask/in/rand_perm_source') };
  const masked = maskTokens(tokens, draws, maskId(config));
  await check.check('mask/out/masked_tokens', masked.tokens);
  await check.check('mask/out/masks', masked.masks);

  const logits = model.forward(inputSequence(config, masked.tokens, labels), { tap: check.tap('mid/') });
  const noLabels = new Int32Array(labels.length).fill(nullLabel(config));
  const someLabels = dropLabels(config, labels, file.values('in/drop_rand'), 0.5);
  await check.checkTaps();
  await check.check('out/cond_logits', logits);
  await check.check('out/uncond_logits', model.forward(inputSequence(config, masked.tokens, noLabels)));
  await check.check('out/half_dropped_logits', model.forward(inputSequence(config, masked.tokens, someLabels)));

  const loss = lossOf(file, logits, tokens, masked.masks);
  await check.check('loss/loss', loss);
  await check.check('loss/correct_tokens', await maskedAccuracy(logits, tokens, masked.masks));
  const parameters: StateDict = stateDict(model);
  await check.checkAll('grad/', grad(loss, parameters));
}

async function samples(
  file: GoldenFile,
  check: Comparison,
  model: Generator,
  name: string,
  settings: SampleCase,
): Promise<void> {
  const prefix = `gen/${name}/`;
  const options: SamplingOptions = {
    steps: settings.num_sample_steps,
    guidance: settings.guidance_decay,
    guidanceScale: settings.guidance_scale,
    guidancePower: settings.guidance_scale_pow ?? 3,
    randomizeTemperature: settings.randomize_temperature,
    annealing: settings.softmax_temperature_annealing ?? false,
  };
  const replay = (key: string) => (step: number, count: number) =>
    file.values(`${prefix}in/${key}`).subarray(step * count, (step + 1) * count);
  const draws: SamplingDraws = { tokens: replay('uniform_logits'), confidence: replay('uniform_confidence') };
  const ids: number[] = [];
  const maskedCounts: number[] = [];
  const labels = file.values('in/condition');
  const { latentTokens } = model.config;
  for await (const state of samplingSteps(model, labels, options, draws)) {
    if (state.step === options.steps) {
      await check.check(`${prefix}out/ids`, state.ids);
    } else {
      ids.push(...state.ids);
      for (let row = 0; row < state.ids.length; row += latentTokens) {
        const tokens = state.ids.subarray(row, row + latentTokens);
        maskedCounts.push(tokens.filter((id) => id === maskId(model.config)).length);
      }
    }
  }
  await check.check(`${prefix}ids_before_step`, ids);
  await check.check(`${prefix}masked_per_step`, maskedCounts);
}
