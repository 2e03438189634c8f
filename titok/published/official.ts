/** Reads the configuration files of the paper's code. */
import { expectOption } from '../../core/index.ts';
import { checkConfig, presets, type TiTokConfig, type TransformerConfig, transformerSizes } from '../config.ts';
import { publishedVqgan, type VqganConfig } from '../vqgan.ts';

/** The part of an official configuration file that decides the model. */
export interface OfficialConfig {
  readonly model: {
    readonly vq_model: {
      /** With `use_l2_norm` and `commitment_cost`: those of a quantizer, which a VAE does not have. */
      readonly codebook_size?: number | undefined;
      readonly token_size: number;
      readonly use_l2_norm?: boolean | undefined;
      readonly commitment_cost?: number | undefined;
      readonly clustering_vq?: boolean | undefined;
      readonly vit_enc_model_size: OfficialSize;
      readonly vit_dec_model_size: OfficialSize;
      readonly vit_enc_patch_size: number;
      readonly vit_dec_patch_size: number;
      readonly num_latent_tokens: number;
      readonly finetune_decoder?: boolean | undefined;
      readonly quantize_mode?: 'vq' | 'vae' | undefined;
      readonly is_legacy?: boolean | undefined;
      readonly proxy_codebook_size?: number | undefined;
      /** For models that the official code does not know, where `is_legacy` decides this. */
      readonly head?: 'proxy' | 'pixels' | undefined;
    };
    readonly pixel_decoder?: OfficialVqganConfig | undefined;
  };
  readonly dataset: { readonly preprocessing: { readonly crop_size: number } };
}
/** 'small', 'base', 'large'; or, for models of other widths than the official code knows, the sizes themselves. */
export type OfficialSize = string | { readonly width: number; readonly layers: number; readonly heads: number };
/** An official teacher's configuration. */
export interface OfficialVqganConfig {
  readonly channel_mult: readonly number[];
  readonly num_res_blocks: number;
  readonly hidden_channels: number;
  readonly z_channels: number;
}

/**
 * The configuration of an official file (parsed YAML or JSON). Defaults are the official ones: vq, legacy, with pixel
 * decoder.
 *
 * @param sizes  transformer sizes by the names in `vit_enc_model_size` and `vit_dec_model_size`
 * @throws OptionError when a size is unknown, the quantizer's settings are missing, or settings contradict each other
 */
export function configFromOfficial(
  config: OfficialConfig,
  sizes: Readonly<Record<string, Exclude<OfficialSize, string>>> = transformerSizes,
): TiTokConfig {
  const vq = config.model.vq_model;
  const { quantize_mode: quantizeMode = 'vq', is_legacy: legacy = true, finetune_decoder: finetuneDecoder = true } = vq;
  const { codebook_size: codebookSize, use_l2_norm: l2Norm, commitment_cost: commitmentCost } = vq;
  if (quantizeMode === 'vq') {
    expectOption(codebookSize !== undefined, 'codebook_size', 'a whole number with quantize_mode vq', codebookSize);
    expectOption(l2Norm !== undefined, 'use_l2_norm', 'true or false with quantize_mode vq', l2Norm);
    expectOption(commitmentCost !== undefined, 'commitment_cost', 'a number with quantize_mode vq', commitmentCost);
  }
  const transformer = (name: OfficialSize, patchSize: number): TransformerConfig => {
    const size = typeof name !== 'string' ? name : Object.hasOwn(sizes, name) ? sizes[name] : undefined;
    expectOption(size !== undefined, 'vit model size', `one of ${Object.keys(sizes).join(', ')}`, name);
    return { width: size.width, layers: size.layers, heads: size.heads, patchSize };
  };
  const proxyCodebookSize = vq.proxy_codebook_size ?? 1024;
  const pixelDecoder = config.model.pixel_decoder
    ? vqganFromOfficial(config.model.pixel_decoder, proxyCodebookSize)
    : publishedVqgan;
  const result: TiTokConfig = {
    imageSize: config.dataset.preprocessing.crop_size,
    latentTokens: vq.num_latent_tokens,
    codebookSize: codebookSize ?? unused.codebookSize,
    tokenSize: vq.token_size,
    encoder: transformer(vq.vit_enc_model_size, vq.vit_enc_patch_size),
    decoder: transformer(vq.vit_dec_model_size, vq.vit_dec_patch_size),
    quantizeMode,
    ...(vq.clustering_vq && { quantizer: 'clustering' as const }),
    l2Norm: l2Norm ?? unused.l2Norm,
    commitmentCost: commitmentCost ?? unused.commitmentCost,
    legacy,
    head: vq.head ?? headOf(legacy),
    proxyCodebookSize,
    pixelDecoder: finetuneDecoder ? pixelDecoder : null,
    init: 'published',
  };
  checkConfig(result);
  return result;
}

/** What the official code's models predict. */
const headOf = (legacy: boolean): TiTokConfig['head'] => (legacy ? 'proxy' : 'pixels');

/**
 * The inverse of `configFromOfficial`, for models without a pixel decoder. What the official code cannot represent is written
 * all the same, so that `configFromOfficial` reads it: sizes of transformers, and the head of models that are not legacy.
 */
export function officialFromConfig(config: TiTokConfig): OfficialConfig {
  const { encoder, decoder, legacy, head, quantizeMode } = config;
  const sizeOf = ({ width, layers, heads }: TransformerConfig): OfficialSize => {
    const known = Object.entries(transformerSizes).find(
      ([, size]) => size.width === width && size.layers === layers && size.heads === heads,
    );
    return known ? known[0] : { width, layers, heads };
  };
  return {
    model: {
      vq_model: {
        quantize_mode: quantizeMode,
        ...(quantizeMode === 'vq' && {
          codebook_size: config.codebookSize,
          use_l2_norm: config.l2Norm,
          commitment_cost: config.commitmentCost,
          ...(config.quantizer === 'clustering' && { clustering_vq: true }),
        }),
        token_size: config.tokenSize,
        vit_enc_model_size: sizeOf(encoder),
        vit_dec_model_size: sizeOf(decoder),
        vit_enc_patch_size: encoder.patchSize,
        vit_dec_patch_size: decoder.patchSize,
        num_latent_tokens: config.latentTokens,
        finetune_decoder: false,
        is_legacy: legacy,
        proxy_codebook_size: config.proxyCodebookSize,
        ...(head !== headOf(legacy) && { head }),
      },
    },
    dataset: { preprocessing: { crop_size: config.imageSize } },
  };
}

/** What a VAE has no use for. */
const unused = presets.ll32vae;

/** The configuration of an official teacher. */
export const vqganFromOfficial = (config: OfficialVqganConfig, codebookSize: number): VqganConfig => ({
  kind: 'vqgan',
  hiddenChannels: config.hidden_channels,
  channelMult: config.channel_mult,
  resBlocks: config.num_res_blocks,
  zChannels: config.z_channels,
  codebookSize,
});
