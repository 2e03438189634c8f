/** Initial weights of a TiTok. */
import type { Rng, Tensor } from '../core/index.ts';
import type { StateDict } from '../nn/index.ts';
import type { TiTokConfig } from './config.ts';

/**
 * Initializes encoder, decoder and latent tokens by parameter name.
 *
 *   'published'   embeddings N(0, 1/width); weights N(0, 0.02²), but in_proj Xavier uniform
 *   'width'       embeddings N(0, 0.3²); weights N(0, 1/width)
 *   'fan-in'      embeddings N(0, 0.3²); weights N(0, 1/inputs), an MLP's second ones N(0, 1/(2 · layers · inputs)), and the
 *                 decoder's first ones N(0, 1), since a code is a vector of length 1
 *   all           biases 0, layer norms 1 and 0
 *
 * A decoder must hear the latents from the first update on. At width 128 the published values leave them empty: 13 of 512
 * codes are used and the cross-entropy stays at 5.1. With 'width' 0.01 % of what the decoder computes depends on the
 * picture, less in deeper models, and those learn late or never; with 'fan-in' and centered pixels (`TiTokConfig.pixels`)
 * it is 3 %. Attention's output is not scaled by depth: it is the only way from picture to latents.
 */
export function initializeTiTok(params: StateDict, config: TiTokConfig, rng: Rng): void {
  const published = config.init === 'published';
  for (const [name, p] of Object.entries(params)) {
    const { width } = name.startsWith('decoder.') ? config.decoder : config.encoder;
    const normal = (std: number) => p.assign(() => rng.normals(p.size).map((v) => v * std));
    if (name.endsWith('bias')) p.assign(new Float32Array(p.size));
    else if (/\bln_\w+\.weight$/.test(name)) p.assign(new Float32Array(p.size).fill(1));
    else if (/(class_embedding|positional_embedding|latent_tokens|mask_token)$/.test(name))
      normal(published ? width ** -0.5 : 0.3);
    else if (name.endsWith('in_proj_weight') && published) {
      const bound = Math.sqrt(6 / (width + 3 * width));
      p.assign(() => rng.uniforms(p.size, -bound, bound));
    } else normal(published ? 0.02 : config.init === 'width' ? width ** -0.5 : fanInStd(name, p, config));
  }
}

function fanInStd(name: string, p: Tensor, config: TiTokConfig): number {
  if (name === 'decoder.decoder_embed.weight' && config.l2Norm && config.quantizeMode === 'vq') return 1;
  const inputs = p.size / p.shape[0];
  const { layers } = name.startsWith('decoder.') ? config.decoder : config.encoder;
  return (name.endsWith('mlp.c_proj.weight') ? 2 * layers * inputs : inputs) ** -0.5;
}
