/** Names and shapes of a TiTok's parameters without making them: what a checkpoint must hold, how much memory it takes. */
import { numel, type Shape } from '../core/index.ts';
import { checkConfig, gridOf, type TiTokConfig, type TransformerConfig } from './config.ts';
import type { LeanTeacherConfig } from './lean-teacher.ts';
import type { VqganConfig } from './vqgan.ts';

export type ParameterShapes = Record<string, Shape>;

/** As `stateDict(new TiTok(config, rng))`, in the same order. */
export function parameterShapes(config: TiTokConfig): ParameterShapes {
  checkConfig(config);
  const { latentTokens: K, tokenSize: C, encoder, decoder, pixelDecoder } = config;
  const vae = config.quantizeMode === 'vae';
  const shapes: ParameterShapes = {
    latent_tokens: [K, encoder.width],
    ...under('encoder', {
      ...embeddings(config, 'encoder'),
      ...conv('patch_embed', 3, encoder.width, encoder.patchSize),
      ...stack(encoder),
      ...conv('conv_out', encoder.width, vae ? 2 * C : C, 1),
    }),
    ...under('decoder', {
      ...embeddings(config, 'decoder'),
      ...affine('decoder_embed', C, decoder.width),
      ...stack(decoder),
      ...head(config),
    }),
  };
  if (!vae) shapes['quantize.embedding.weight'] = [config.codebookSize, C];
  if (pixelDecoder) {
    const dim = pixelDecoder.kind === 'lean' ? pixelDecoder.dim : pixelDecoder.zChannels;
    shapes['pixel_quantize.embedding.weight'] = [pixelDecoder.codebookSize, dim];
    Object.assign(
      shapes,
      under('pixel_decoder', pixelDecoder.kind === 'lean' ? leanDecoder(pixelDecoder) : vqganDecoder(pixelDecoder)),
    );
  }
  return shapes;
}

/** How many numbers they are in all. */
export const countShapes = (shapes: Readonly<ParameterShapes>): number =>
  Object.values(shapes).reduce((n, s) => n + numel(s), 0);

/** As `stateDict(new MaskGitVqgan(config, rng))`. */
export function vqganShapes(config: VqganConfig): ParameterShapes {
  const { hiddenChannels: first, channelMult, resBlocks, zChannels } = config;
  const widths = channelMult.map((m) => m * first);
  const last = widths.at(-1)!;
  return {
    ...under('encoder', {
      'conv_in.weight': [first, 3, 3, 3],
      ...merge(widths.map((w, l) => residual(`down.${l}.block`, resBlocks, widths[l - 1] ?? first, w))),
      ...residual('mid', resBlocks, last, last),
      ...norm('norm_out', last),
      ...conv('conv_out', last, zChannels, 1),
    }),
    ...under('decoder', vqganDecoder(config)),
    'quantize.embedding.weight': [config.codebookSize, zChannels],
  };
}

function vqganDecoder({ hiddenChannels, channelMult, resBlocks, zChannels }: VqganConfig): ParameterShapes {
  const widths = channelMult.map((m) => m * hiddenChannels);
  const last = widths.at(-1)!;
  return {
    ...conv('conv_in', zChannels, last, 3),
    ...residual('mid', resBlocks, last, last),
    ...merge(
      widths.map((w, l) => ({
        ...residual(`up.${l}.block`, resBlocks, widths[l + 1] ?? last, w),
        ...(l > 0 && conv(`up.${l}.upsample_conv`, w, w, 3)),
      })),
    ),
    ...norm('norm_out', widths[0]),
    ...conv('conv_out', widths[0], 3, 3),
  };
}

function leanDecoder({ stem, resBlocks, dim }: LeanTeacherConfig): ParameterShapes {
  const widths = [...stem.toReversed(), 3];
  return {
    ...conv('conv_in', dim, widths[0], 3),
    ...residual('blocks', resBlocks, widths[0], widths[0]),
    ...norm('norm_out', widths[0]),
    ...merge(stem.map((_, i) => conv(`up.${i}`, widths[i], widths[i + 1], 3))),
    ...conv('patch_path', dim, 3 * 4 ** stem.length, 1),
  };
}

function embeddings(config: TiTokConfig, half: 'encoder' | 'decoder'): ParameterShapes {
  const { width } = config[half];
  return {
    class_embedding: [1, width],
    positional_embedding: [gridOf(config, half) ** 2 + 1, width],
    ...(half === 'decoder' && { mask_token: [1, 1, width] }),
    latent_token_positional_embedding: [config.latentTokens, width],
  };
}

function stack({ width, layers }: TransformerConfig): ParameterShapes {
  const block: ParameterShapes = {
    ...norm('ln_1', width),
    'attn.in_proj_weight': [3 * width, width],
    'attn.in_proj_bias': [3 * width],
    ...affine('attn.out_proj', width, width),
    ...norm('ln_2', width),
    ...affine('mlp.c_fc', width, 4 * width),
    ...affine('mlp.c_proj', 4 * width, width),
  };
  const blocks = Array.from({ length: layers }, (_, i) => under(`transformer.${i}`, block));
  return { ...norm('ln_pre', width), ...merge(blocks), ...norm('ln_post', width) };
}

function head({ head, decoder: { width, patchSize }, proxyCodebookSize }: TiTokConfig): ParameterShapes {
  return head === 'proxy'
    ? { ...conv('ffn.0', width, 2 * width, 1), ...conv('ffn.2', 2 * width, proxyCodebookSize, 1) }
    : { ...conv('ffn.0', width, 3 * patchSize ** 2, 1), ...conv('conv_out', 3, 3, 3) };
}

function residual(name: string, count: number, inChannels: number, outChannels: number): ParameterShapes {
  const blocks = Array.from({ length: count }, (_, i): ParameterShapes => {
    const input = i === 0 ? inChannels : outChannels;
    return under(`${name}.${i}`, {
      ...norm('norm1', input),
      'conv1.weight': [outChannels, input, 3, 3],
      ...norm('norm2', outChannels),
      'conv2.weight': [outChannels, outChannels, 3, 3],
      ...(input !== outChannels && { 'nin_shortcut.weight': [outChannels, outChannels, 1, 1] }),
    });
  });
  return merge(blocks);
}

const conv = (name: string, inChannels: number, outChannels: number, kernel: number): ParameterShapes => ({
  [`${name}.weight`]: [outChannels, inChannels, kernel, kernel],
  [`${name}.bias`]: [outChannels],
});
const affine = (name: string, inFeatures: number, outFeatures: number): ParameterShapes => ({
  [`${name}.weight`]: [outFeatures, inFeatures],
  [`${name}.bias`]: [outFeatures],
});
const norm = (name: string, width: number): ParameterShapes => ({
  [`${name}.weight`]: [width],
  [`${name}.bias`]: [width],
});
const under = (prefix: string, shapes: ParameterShapes): ParameterShapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`${prefix}.${name}`, shape]));
const merge = (parts: readonly ParameterShapes[]): ParameterShapes => Object.assign({}, ...parts);
