/** The Gaussian bottleneck of VAE mode: continuous tokens with a distribution instead of a codebook. */
import { clamp, exp, narrow, type Tensor } from '../core/index.ts';

/** The normal distribution of the latents, all [batch, C, 1, K]. */
export interface Posterior {
  readonly mean: Tensor;
  /** Clamped to −30..20. */
  readonly logvar: Tensor;
  readonly std: Tensor;
}

/** Splits the encoder's output [batch, 2C, 1, K] into mean and log-variance. */
export function posteriorOf(moments: Tensor): Posterior {
  const channels = moments.shape[1] / 2;
  const mean = narrow(moments, 1, 0, channels);
  const logvar = clamp(narrow(moments, 1, channels, channels), -30, 20);
  return { mean, logvar, std: exp(logvar.mul(0.5)) };
}

/** z = mean + std · ε, with ε [batch, C, 1, K] from N(0, 1). */
export const samplePosterior = ({ mean, std }: Posterior, noise: Tensor): Tensor => mean.add(std.mul(noise));

/** KL divergence from N(0, 1), ½ Σ (mean² + e^logvar − 1 − logvar) over channels: [batch, K]. */
export const klDivergence = ({ mean, logvar }: Posterior): Tensor =>
  mean.square().add(exp(logvar)).sub(1).sub(logvar).sum([1, 2]).mul(0.5);
