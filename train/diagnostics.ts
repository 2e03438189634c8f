/** What a training says about its latents and codes, so that a collapse is seen while it happens. */
import { noGrad, type Tensor, tidy } from '../core/index.ts';
import { hasUnitCodes, type TiTok } from '../titok/index.ts';

/**
 * Figures of one update about its latents.
 *
 *   spread   1 − mean over latents of |mean over pictures of z|² / mean |z|², z as the decoder sees it: near 0 all pictures of the batch have the same latents,
 *            and no code can tell them apart; unrelated ones give almost 1. Missing for a single picture
 *   codeUse  different codes in the batch, as a share of as many as there could be, in an update that quantizes
 *
 * @param z        [batch, C, 1, K], of the encoder
 * @param indices  [batch, 1, K]
 */
export async function latentFigures(
  model: TiTok,
  { z, indices }: { readonly z: Tensor; readonly indices?: Tensor | undefined },
): Promise<Partial<Record<'spread' | 'codeUse', number>>> {
  const figures: Partial<Record<'spread' | 'codeUse', number>> = {};
  if (z.shape[0] > 1) {
    const alike = noGrad(() =>
      tidy(() => {
        const latents = model.normalizeLatents(z);
        const common = latents.mean(0).square().sum(0).mean();
        return hasUnitCodes(model.config) ? common : common.div(latents.square().sum(1).mean());
      }),
    );
    figures.spread = 1 - (await alike.item());
    alike.dispose();
  }
  if (indices) {
    const most = Math.min(indices.size, model.config.codebookSize);
    figures.codeUse = new Set(await indices.data()).size / most;
  }
  return figures;
}
