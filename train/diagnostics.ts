/** What a training says about its latents and codes, so that a collapse is seen while it happens. */
import { l2Normalize, noGrad, type Tensor, tidy } from '../core/index.ts';
import type { TiTok } from '../titok/index.ts';

/**
 * Figures of one update about its latents.
 *
 *   spread   1 − mean over latents of |mean over pictures of z / |z||²: near 0 all pictures of the batch have the same latents,
 *            and no code can tell them apart; unrelated ones give almost 1
 *   codeUse  different codes in the batch, as a share of as many as there could be, in an update that quantizes
 *
 * @param z        [batch, C, 1, K], of the encoder
 * @param indices  [batch, 1, K]
 */
export async function latentFigures(
  model: TiTok,
  { z, indices }: { readonly z: Tensor; readonly indices?: Tensor | undefined },
): Promise<Record<'spread', number> & Partial<Record<'codeUse', number>>> {
  const alike = noGrad(() => tidy(() => l2Normalize(z, 1).mean(0).square().sum(0).mean()));
  const spread = 1 - (await alike.item());
  alike.dispose();
  if (!indices) return { spread };
  const most = Math.min(indices.size, model.config.codebookSize);
  return { spread, codeUse: new Set(await indices.data()).size / most };
}
