/** titok_stage1_*, titok_vae: activations, losses and gradients of the tokenizer. */
import { add, argmax, grad, mul, Rng, type Tensor, tensorScope } from '../../core/index.ts';
import { loadStateDict, mse, stateDict } from '../../nn/index.ts';
import {
  configFromOfficial,
  klDivergence,
  klLoss,
  type OfficialConfig,
  publishedSingleStage,
  reconstructionLoss,
  TiTok,
  type TransformerConfig,
  warmupLoss,
} from '../../titok/index.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';
import { owned } from './owned.ts';

export interface TitokSettings extends OfficialConfig {
  readonly losses: { readonly quantizer_weight?: number };
}

/** The tokenizer of a file's configuration with the weights stored under a prefix. */
export function tokenizerOf(file: GoldenFile, prefix: string): TiTok {
  const sizes = file.metadata<Record<string, Omit<TransformerConfig, 'patchSize'>>>('sizes');
  const model = new TiTok(configFromOfficial(file.metadata<TitokSettings>('config'), sizes), new Rng(0));
  loadStateDict(model, file.state(prefix), { source: file.name });
  return model;
}

/**
 * The loss of stage 1, whose target is a teacher's codes [batch, G²], or of the single stage, whose target is the
 * image.
 *
 *   reconstruction + quantizerWeight · quantizerLoss
 */
export function tokenizerLoss(file: GoldenFile, output: Tensor, target: Tensor, quantizerLoss: Tensor) {
  const { quantizer_weight: quantizer = 1 } = file.metadata<TitokSettings>('config').losses;
  if (target.rank < 4) return warmupLoss({ logits: output, codes: target, quantizerLoss }, { quantizer, embedding: 0 });
  const weights = { ...publishedSingleStage, perceptual: 0, adversarial: 0, quantizer };
  const { loss, l2Loss } = reconstructionLoss({ images: target, reconstruction: output, quantizerLoss }, weights);
  return { loss, reconstructionLoss: l2Loss };
}

export async function titokStage1(file: GoldenFile, check: Comparison): Promise<void> {
  using _ = tensorScope();
  const model = tokenizerOf(file, 'weights/');
  using _model = owned(model);
  const image = file.tensor('in/image');
  const result = model.forward(image, check.tap('mid/'));
  await check.checkTaps();
  await check.check('out/z', result.z);
  await check.check('out/indices', result.indices);
  await check.check('out/z_quantized', result.zQuantized);
  for (const place of ['out', 'loss']) {
    await check.check(`${place}/quantizer_loss`, result.quantizerLoss);
    await check.check(`${place}/commitment_loss`, result.commitmentLoss);
    await check.check(`${place}/codebook_loss`, result.codebookLoss);
  }
  await check.check('out/decoder_logits', result.output);
  await check.check('out/reconstruction', result.output);
  if (file.has('out/argmax_codes')) await check.check('out/argmax_codes', argmax(result.output, 1));
  await check.check('out/decode_tokens', model.decodeTokens(file.tensor('out/indices')));

  const target = file.has('in/proxy_codes') ? file.tensor('in/proxy_codes') : image;
  const { loss, reconstructionLoss } = tokenizerLoss(file, result.output, target, result.quantizerLoss);
  await check.check('loss/total_loss', loss);
  await check.check('loss/reconstruction_loss', reconstructionLoss);
  await check.checkAll('grad/', grad(loss, stateDict(model)));
}

export async function titokVae(file: GoldenFile, check: Comparison): Promise<void> {
  using _ = tensorScope();
  const model = tokenizerOf(file, 'weights/');
  using _model = owned(model);
  const image = file.tensor('in/image');
  const encoded = model.encodeContinuous(image, file.tensor('in/noise'), check.tap('mid/'));
  const output = model.decode(encoded.z, check.tap('mid/'));
  await check.checkTaps();
  await check.check('out/mean', encoded.mean);
  await check.check('out/logvar', encoded.logvar);
  await check.check('out/std', encoded.std);
  await check.check('out/z', encoded.z);
  await check.check('out/kl', klDivergence(encoded));
  await check.check('out/reconstruction', output);
  const reconstructionLoss = mse(output, image);
  const klSum = klLoss(encoded);
  const total = add(reconstructionLoss, mul(klSum, klWeight(file)));
  await check.check('loss/reconstruction_loss', reconstructionLoss);
  await check.check('loss/kl_sum_over_batch', klSum);
  await check.check('loss/total_loss', total);
  await check.checkAll('grad/', grad(total, stateDict(model)));
}

/** The weight in the metadata's formula, 'mse + (0.01+1e-6)*kl_sum_over_batch'. */
function klWeight(file: GoldenFile): number {
  const [, a, b] = /\(([\d.e-]+)\+([\d.e-]+)\)\*kl_sum_over_batch/.exec(file.text('total_loss') ?? '') ?? [];
  if (!a || !b)
    throw new Error(
      `${file.name}: expected a total_loss 'mse + (a+b)*kl_sum_over_batch', got '${file.text('total_loss')}'.`,
    );
  return Number(a) + Number(b);
}
