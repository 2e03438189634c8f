/** titok_stage2: the frozen encoder, the pixel decoder, and both steps of the adversarial training. */
import { grad, mean, mul, Rng, type Tensor, tensorScope } from '../../core/index.ts';
import { loadStateDict, pick, stateDict } from '../../nn/index.ts';
import {
  discriminatorFactor,
  discriminatorLoss,
  discriminatorParameters,
  isTrainedInStage2,
  LeCam,
  type PatchDiscriminator,
  PublishedPerceptualLoss,
  publishedFinetune,
  type ReconstructionWeights,
  reconstructionLoss,
  type TiTok,
} from '../../titok/index.ts';
import type { Comparison } from './comparison.ts';
import { discriminatorOf, type OfficialDiscriminator } from './discriminator.ts';
import type { GoldenFile } from './file.ts';
import { owned } from './owned.ts';
import { networksOf } from './perceptual.ts';
import { tokenizerOf } from './titok.ts';

interface Losses {
  readonly discriminator_start: number;
  readonly discriminator_weight: number;
  readonly disc_kwargs: OfficialDiscriminator;
  readonly lecam_regularization_weight: number;
  readonly perceptual_loss: string;
  readonly perceptual_weight: number;
  readonly reconstruction_loss: 'l1' | 'l2';
  readonly reconstruction_weight: number;
  readonly quantizer_weight: number;
}

/** The content of a stage 2 file. */
interface Stage2 {
  readonly model: TiTok;
  readonly discriminator: PatchDiscriminator;
  readonly perceptual: PublishedPerceptualLoss;
  readonly lecam: LeCam;
  readonly losses: Losses;
  readonly images: Tensor;
  readonly reconstruction: Tensor;
}

export async function titokStage2(file: GoldenFile, check: Comparison): Promise<void> {
  using _ = tensorScope();
  const { losses } = file.metadata<{ losses: Losses }>('config');
  const model = tokenizerOf(file, 'weights/');
  const discriminator = discriminatorOf(losses.disc_kwargs);
  const perceptual = new PublishedPerceptualLoss(losses.perceptual_loss, new Rng(0), networksOf(file));
  const lecam = new LeCam(0.999);
  using _owned = owned(model, discriminator, perceptual, lecam);
  loadStateDict(discriminator, file.state('loss_weights/discriminator.'), { source: file.name });
  loadStateDict(perceptual, file.state('loss_weights/perceptual_loss.'), { source: file.name });
  loadStateDict(
    lecam,
    pick(file.state('loss_weights/'), (key) => key.startsWith('ema_')),
    { source: file.name },
  );

  const images = file.tensor('in/image');
  const result = model.forward(images, check.tap('mid/'));
  await check.checkTaps();
  await check.check('out/indices', result.indices);
  await check.check('out/quantizer_loss', mul(result.quantizerLoss, losses.quantizer_weight));
  await check.check('out/reconstruction', result.output);
  await check.check('out/decode_tokens', model.decodeTokens(file.tensor('out/indices')));
  const frozen = Object.keys(stateDict(model)).filter((name) => !isTrainedInStage2(name));
  await check.check('meta/frozen_count', frozen.length);

  const stage2: Stage2 = { model, discriminator, perceptual, lecam, losses, images, reconstruction: result.output };
  await generatorStep(stage2, check, 'gen_before_disc/', 0);
  await generatorStep(stage2, check, 'gen_after_disc/', losses.discriminator_start);
  for (const step of [0, 1]) await discriminatorStep(stage2, check, `disc_step${step}/`);
}

async function generatorStep(stage2: Stage2, check: Comparison, prefix: string, step: number): Promise<void> {
  const { losses, images, reconstruction, perceptual } = stage2;
  const weights: ReconstructionWeights = {
    ...publishedFinetune,
    l2: losses.reconstruction_loss === 'l2' ? losses.reconstruction_weight : 0,
    l1: losses.reconstruction_loss === 'l1' ? losses.reconstruction_weight : 0,
    perceptual: losses.perceptual_weight,
    adversarial: losses.discriminator_weight,
  };
  const factor = discriminatorFactor(step, losses.discriminator_start);
  const terms = reconstructionLoss(
    {
      images,
      reconstruction,
      perceptual: (a, b) => perceptual.forward(a, b),
      discriminator: factor ? stage2.discriminator : undefined,
    },
    weights,
  );
  const pixels = weights.l2 ? terms.l2Loss : terms.l1Loss;
  await check.check(`${prefix}loss/total_loss`, terms.loss);
  await check.check(`${prefix}loss/reconstruction_loss`, mul(pixels, losses.reconstruction_weight));
  await check.check(`${prefix}loss/perceptual_loss`, mul(terms.perceptualLoss, weights.perceptual));
  await check.check(`${prefix}loss/gan_loss`, terms.ganLoss);
  await check.check(`${prefix}loss/weighted_gan_loss`, mul(terms.ganLoss, weights.adversarial * factor));
  await check.check(`${prefix}loss/d_weight`, weights.adversarial);
  await check.check(`${prefix}loss/discriminator_factor`, factor);
  for (const name of ['quantizer_loss', 'commitment_loss', 'codebook_loss']) {
    await check.check(`${prefix}loss/${name}`, mul(terms.quantizerLoss, losses.quantizer_weight)); // the codes are frozen
  }
  const [atReconstruction] = grad(terms.loss, [reconstruction]);
  await check.check(`${prefix}grad_reconstruction`, atReconstruction);
  await check.checkAll(`${prefix}grad/`, grad(terms.loss, pick(stateDict(stage2.model), isTrainedInStage2)));
}

/** One step of the discriminator, without updating its weights. */
async function discriminatorStep(stage2: Stage2, check: Comparison, prefix: string): Promise<void> {
  const { discriminator, lecam, losses } = stage2;
  const weight = losses.lecam_regularization_weight;
  const terms = discriminatorLoss(stage2, weight);
  await check.check(`${prefix}loss/discriminator_loss`, terms.loss);
  await check.check(`${prefix}loss/lecam_loss`, mul(terms.lecamLoss, weight));
  await check.check(`${prefix}loss/logits_real`, mean(terms.realLogits));
  await check.check(`${prefix}loss/logits_fake`, mean(terms.fakeLogits));
  await check.checkAll(`${prefix}grad/discriminator.`, grad(terms.loss, discriminatorParameters(discriminator)));
  lecam.update(terms.realLogits, terms.fakeLogits);
  await check.checkAll(`${prefix}after/`, stateDict(lecam));
}
