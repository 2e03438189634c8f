/** Adversarial losses on a discriminator's logits: hinge, and LeCam's regularization. All return one element. */
import { grad, mean, minimum, noGrad, relu, sub, type Tensor, tidy, zeros } from '../core/index.ts';
import { globalNorm, moveTowards, parameter } from '../nn/index.ts';

/**
 * The discriminator's hinge loss on its logits for real and reconstructed images.
 *
 *   ½ (mean relu(1 − real) + mean relu(1 + fake))
 *
 * @see Lim and Ye 2017, arXiv:1705.02894
 */
export const hingeDiscriminatorLoss = (real: Tensor, fake: Tensor): Tensor =>
  relu(sub(1, real))
    .mean()
    .add(relu(fake.add(1)).mean())
    .mul(0.5);

/** The generator's adversarial loss on the discriminator's logits for its images, −mean(fake). */
export const hingeGeneratorLoss = (fake: Tensor): Tensor => mean(fake).neg();

/**
 * The adaptive weight of the adversarial loss: with it, its pull on the decoder's last layer W is as strong as that of the
 * terms that compare images.
 *
 *   λ = min(10⁴, ‖∂compared/∂W‖ / (‖∂gan/∂W‖ + 10⁻⁴)), a constant to the gradient
 *
 * @param compared   one element, computed while gradients are recorded, as is gan
 * @param lastLayer  a weight that both depend on
 * @see Esser et al. 2021, Taming Transformers, arXiv:2012.09841, eq. 7; limit and offset as in its code
 */
export function adaptiveWeight(compared: Tensor, gan: Tensor, lastLayer: Tensor): Tensor {
  const pull = (loss: Tensor) => globalNorm(grad(loss, [lastLayer]));
  return noGrad(() => tidy(() => minimum(pull(compared).div(pull(gan).add(1e-4)), 1e4)));
}

/** Weight of the adversarial terms: 0 before the discriminator joins in, 1 from step `start` on. */
export const discriminatorFactor = (step: number, start: number): 0 | 1 => (step >= start ? 1 : 0);

/**
 * LeCam regularization: keeps the discriminator's mean logits r = mean(real), f = mean(fake) near the running means R, F of
 * the other kind.
 *
 *   relu(r − F)² + relu(R − f)²
 *
 * @see Tseng et al. 2021, arXiv:2104.03310
 */
export const lecam = (real: Tensor, fake: Tensor, runningReal: Tensor, runningFake: Tensor): Tensor =>
  mean(real)
    .sub(runningFake)
    .relu()
    .square()
    .add(runningReal.sub(mean(fake)).relu().square());

/** LeCam regularization with its running means. Field names are the published checkpoint keys. */
export class LeCam {
  readonly ema_real_logits_mean: Tensor = parameter(() => zeros([1]));
  readonly ema_fake_logits_mean: Tensor = parameter(() => zeros([1]));
  readonly decay: number;

  /** @param decay  share of the running means that survives an update */
  constructor(decay = 0.999) {
    this.decay = decay;
  }

  /** The penalty against the current running means. */
  loss(real: Tensor, fake: Tensor): Tensor {
    return lecam(real, fake, this.ema_real_logits_mean, this.ema_fake_logits_mean);
  }

  /** Moves the running means. Call it after taking the gradients of `loss`. */
  update(real: Tensor, fake: Tensor): void {
    const rest = 1 - this.decay;
    noGrad(() =>
      tidy(() => {
        moveTowards({ x: this.ema_real_logits_mean, seen: mean(real) }, { rest });
        moveTowards({ x: this.ema_fake_logits_mean, seen: mean(fake) }, { rest });
      }),
    );
  }
}
