/** Reads the configuration files of the paper's code. */
import { expectOption } from '../../core/index.ts';
import { checkConfig, type TiTokConfig, type TransformerConfig, transformerSizes } from '../config.ts';
import { publishedVqgan, type VqganConfig } from '../vqgan.ts';

/** The part of an official configuration file that decides the model. */
export interface OfficialConfig {
  readonly model: {
    readonly vq_model: {
      readonly codebook_size: number;
      readonly token_size: number;
      readonly use_l2_norm: boolean;
      readonly commitment_cost: number;
      readonly vit_enc_model_size: string;
      readonly vit_dec_model_size: string;
      readonly vit_enc_patch_size: number;
      readonly vit_dec_patch_size: number;
      readonly num_latent_tokens: number;
      readonly finetune_decoder?: boolean;
      readonly quantize_mode?: 'vq' | 'vae';
      readonly is_legacy?: boolean;
      readonly proxy_codebook_size?: number;
    };
    readonly pixel_decoder?: OfficialVqganConfig;
  };
  readonly dataset: { readonly preprocessing: { readonly crop_size: number } };
}
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
 * @throws OptionError when a size is unknown or settings contradict each other
 */
export function configFromOfficial(
  config: OfficialConfig,
  sizes: Readonly<
    Record<string, { readonly width: number; readonly layers: number; readonly heads: number }>
  > = transformerSizes,
): TiTokConfig {
  const vq = config.model.vq_model;
  const { quantize_mode: quantizeMode = 'vq', is_legacy: legacy = true, finetune_decoder: finetuneDecoder = true } = vq;
  const transformer = (name: string, patchSize: number): TransformerConfig => {
    const size = sizes[name];
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
    codebookSize: vq.codebook_size,
    tokenSize: vq.token_size,
    encoder: transformer(vq.vit_enc_model_size, vq.vit_enc_patch_size),
    decoder: transformer(vq.vit_dec_model_size, vq.vit_dec_patch_size),
    quantizeMode,
    l2Norm: vq.use_l2_norm,
    commitmentCost: vq.commitment_cost,
    legacy,
    head: legacy ? 'proxy' : 'pixels',
    proxyCodebookSize,
    pixelDecoder: finetuneDecoder ? pixelDecoder : null,
    init: 'published',
  };
  checkConfig(result);
  return result;
}

/** The configuration of an official teacher. */
export const vqganFromOfficial = (config: OfficialVqganConfig, codebookSize: number): VqganConfig => ({
  kind: 'vqgan',
  hiddenChannels: config.hidden_channels,
  channelMult: config.channel_mult,
  resBlocks: config.num_res_blocks,
  zChannels: config.z_channels,
  codebookSize,
});
