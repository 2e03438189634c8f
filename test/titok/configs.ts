/** Small models of every form, for tests. */
import { type LeanTeacherConfig, presets, type TiTokConfig, type VqganConfig } from '../../titok/index.ts';

export const lean: LeanTeacherConfig = { kind: 'lean', stem: [8, 16], resBlocks: 1, dim: 6, codebookSize: 10 };
export const vqgan: VqganConfig = {
  kind: 'vqgan',
  hiddenChannels: 32,
  channelMult: [1, 2, 1],
  resBlocks: 1,
  zChannels: 6,
  codebookSize: 10,
};

/** Stage 1: legacy, proxy logits over 10 codes on a 2 × 2 grid of 4 × 4 patches. */
export const warmup: TiTokConfig = {
  ...presets.s128,
  imageSize: 8,
  latentTokens: 3,
  codebookSize: 9,
  tokenSize: 5,
  encoder: { width: 8, layers: 2, heads: 2, patchSize: 4 },
  decoder: { width: 12, layers: 1, heads: 3, patchSize: 4 },
  proxyCodebookSize: 10,
  pixelDecoder: null,
};
export const forms: Readonly<Record<string, TiTokConfig>> = {
  warmup,
  corrected: { ...warmup, legacy: false, init: 'width' },
  pixels: { ...warmup, legacy: false, head: 'pixels', l2Norm: false },
  vae: { ...warmup, legacy: false, head: 'pixels', quantizeMode: 'vae' },
  finetune: { ...warmup, pixelDecoder: vqgan },
  laptopFinetune: { ...warmup, legacy: false, pixelDecoder: lean },
};
