/** Losses between images, and between the logits of a discriminator. All return a tensor with one element. */
import { mean, noGrad, relu, sub, type Tensor, tidy, zeros } from '../core/index.ts';
import { parameter } from './init.ts';
import { moveTowards } from './updates.ts';

/** mean((a − b)²) */
export const mse = (a: Tensor, b: Tensor): Tensor => a.sub(b).square().mean();

/** mean(|a − b|) */
export const l1 = (a: Tensor, b: Tensor): Tensor => a.sub(b).abs().mean();

/**
 * L1 distance of the horizontal differences plus that of the vertical ones: it asks for edges, not only for colors.
 *
 *   mean|∂x(a − b)| + mean|∂y(a − b)|        a, b [batch, channels, H, W]
 */
export function gradientL1(a: Tensor, b: Tensor): Tensor {
  const difference = a.sub(b);
  const along = (axis: number) => {
    const n = difference.shape[axis] - 1;
    return l1(difference.narrow(axis, 1, n), difference.narrow(axis, 0, n));
  };
  return along(3).add(along(2));
}

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

/** What the generator adds to its loss: −mean(fake). */
export const hingeGeneratorLoss = (fake: Tensor): Tensor => mean(fake).neg();

/** g(t): 0 before the discriminator joins in, 1 from step `start` on. */
export const discriminatorFactor = (step: number, start: number): 0 | 1 => (step >= start ? 1 : 0);

/**
 * LeCam regularization: keeps the discriminator's mean logits r = mean(real), f = mean(fake) near the running means
 * R, F of the other kind.
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

/** LeCam with its running means, which are saved under their published names by `stateDict`. */
export class LeCam {
  readonly ema_real_logits_mean: Tensor = parameter(() => zeros([1]));
  readonly ema_fake_logits_mean: Tensor = parameter(() => zeros([1]));
  readonly decay: number;

  constructor(decay = 0.999) {
    this.decay = decay;
  }

  /** The penalty against the running means as they are now. */
  loss(real: Tensor, fake: Tensor): Tensor {
    return lecam(real, fake, this.ema_real_logits_mean, this.ema_fake_logits_mean);
  }

  /** Moves the running means; call it after the gradients of `loss` were taken. */
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
