/** The rotation trick: a latent's gradient is turned as the latent is turned into its code. */
import { l2Normalize, noGrad, stopGradient, sum, type Tensor } from '../../core/index.ts';

/**
 * Has the value q, and the gradient of a rotation and scaling of the latents e that is held fixed:
 *
 *   ê = e/|e|,  q̂ = q/|q|,  r = (ê + q̂)/|ê + q̂|,  λ = |q|/|e|
 *   R = I − 2 r rᵀ + 2 q̂ êᵀ   (R ê = q̂);   q = λ R e,   ∂L/∂e = λ Rᵀ ∂L/∂q
 *
 * Angles between the gradient and the code are those between the new gradient and the latent, so latents of one code move
 * apart or together; with straight-through gradients they all move alike.
 *
 * @param e  latents [rows, dim], not 0
 * @param q  their codes [rows, dim]; get no gradient
 * @see Fifty et al. 2024, Restructuring Vector Quantization with the Rotation Trick, arXiv:2410.06424, section 4.2
 */
export function rotated(e: Tensor, q: Tensor): Tensor {
  const { from, to, r, scale } = noGrad(() => {
    const from = l2Normalize(e, -1, tiny); // ê
    const to = l2Normalize(q, -1, tiny); // q̂
    const scale = length(q).div(length(e).clamp(tiny, Infinity)); // λ [rows, 1]
    return { from, to, r: l2Normalize(from.add(to), -1, tiny), scale };
  });
  const along = (direction: Tensor) => sum(e.mul(direction), -1, true); // [rows, 1]
  const turned = e
    .sub(r.mul(along(r)).mul(2))
    .add(to.mul(along(from)).mul(2))
    .mul(scale);
  return turned.add(stopGradient(q.sub(turned))); // λ R e is q up to rounding; now it is q
}

const tiny = 1e-12;
const length = (rows: Tensor): Tensor => rows.square().sum(-1, true).sqrt();
