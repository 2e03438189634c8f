/** The configuration of a TiTok: sizes, quantizer, head. Presets have the published sizes and those for a laptop. */
import { expectOption } from '../core/index.ts';
import { codeDim, type QuantizerConfig, type QuantizerName } from '../nn/index.ts';
import { type LeanTeacherConfig, leanTeacher } from './lean-teacher.ts';
import { publishedVqgan, type VqganConfig } from './vqgan.ts';

/** Sizes of one transformer; its MLPs are 4 × width. */
export interface TransformerConfig {
  readonly width: number;
  readonly layers: number;
  /** Attention heads; must divide the width. */
  readonly heads: number;
  /** pixels; the encoder's grid of patches and the decoder's grid of outputs may differ. */
  readonly patchSize: number;
}

/** A teacher's sizes: MaskGIT-VQGAN or the laptop's. */
export type TeacherConfig = VqganConfig | LeanTeacherConfig;

/** Everything that decides a TiTok's parameters and forward pass. */
export interface TiTokConfig {
  /**
   * Where the tokens come from. '1d': latent tokens, as published. '2d': the encoder's patches themselves, one token each, which the
   * decoder finds at their places; what the paper compares with. Default: '1d'.
   */
  readonly variant?: '1d' | '2d' | undefined;
  /** pixels; images are square. */
  readonly imageSize: number;
  /** K: tokens per image; in 2-D as many as the encoder's patches. */
  readonly latentTokens: number;
  /** V: how many different tokens there are. */
  readonly codebookSize: number;
  /** C: numbers per token. A quantizer whose codes are fixed decides them: `withTokenSize`. */
  readonly tokenSize: number;
  /** The encoder sees (x − mean) / std of pixels in 0..1. Default: the pixels themselves, as published. */
  readonly pixels?: { readonly mean: number; readonly std: number } | undefined;
  /** The first k tokens of a row decode to a picture, for every k: trained with dropped tails. Default: false. */
  readonly variableLength?: boolean | undefined;
  readonly encoder: TransformerConfig;
  readonly decoder: TransformerConfig;
  /** 'vq': discrete tokens by a quantizer. 'vae': continuous ones by a Gaussian bottleneck. */
  readonly quantizeMode: 'vq' | 'vae';
  /** How latents become tokens in mode 'vq', see `createQuantizer`. Default: 'vq', as published. */
  readonly quantizer?: QuantizerName | undefined;
  /** Latents and codes live on the unit sphere, where codes are learned. */
  readonly l2Norm: boolean;
  /** β of the commitment loss. */
  readonly commitmentCost: number;
  /** γ of the entropy loss of the quantizers 'lfq' and 'bsq'. Default 0.1. */
  readonly entropyCost?: number | undefined;
  /** Keeps the original code's reshape, which mixes all latents of the encoder. Published S, B and L need it. */
  readonly legacy: boolean;
  /** What the decoder predicts: logits over a teacher's codes, or pixels. */
  readonly head: 'proxy' | 'pixels';
  /** Size of the teacher's codebook. */
  readonly proxyCodebookSize: number;
  /** Stage 2: the teacher whose decoder stands behind the proxy logits. */
  readonly pixelDecoder: TeacherConfig | null;
  /** Initial weights, see `initializeTiTok`: as the paper's code, or so that narrow models learn. */
  readonly init: 'published' | 'width' | 'fan-in';
}

/** Transformer sizes of the paper's code. Its "small" is wider and shallower than ViT-S. */
export const transformerSizes = {
  small: { width: 512, layers: 8, heads: 8 },
  base: { width: 768, layers: 12, heads: 12 },
  large: { width: 1024, layers: 24, heads: 16 },
} as const;
type SizeName = keyof typeof transformerSizes;

const sized = (size: SizeName): TransformerConfig => ({ ...transformerSizes[size], patchSize: 16 });

/** The models of arXiv:2406.07550 after stage 2, with pixel decoder. */
const published = (size: SizeName, latentTokens: number): TiTokConfig => ({
  imageSize: 256,
  latentTokens,
  codebookSize: 4096,
  tokenSize: 12,
  encoder: sized(size),
  decoder: sized(size),
  quantizeMode: 'vq',
  l2Norm: true,
  commitmentCost: 0.25,
  legacy: true,
  head: 'proxy',
  proxyCodebookSize: 1024,
  pixelDecoder: publishedVqgan,
  init: 'published',
});

/**
 * The paper's models of 512 × 512 pixels, which were not released. 256 patches of 32 pixels enter the encoder; the decoder
 * predicts the 32 × 32 codes that the teacher of 16-pixel patches gives such images.
 */
const large512 = (size: SizeName, latentTokens: number): TiTokConfig => ({
  ...published(size, latentTokens),
  imageSize: 512,
  encoder: { ...sized(size), patchSize: 32 },
});

/** The later single-stage models: without the legacy reshape, pixels straight from the transformer. */
const singleStage = (encoder: SizeName, decoder: SizeName, latentTokens: number): TiTokConfig => ({
  ...published('base', latentTokens),
  encoder: sized(encoder),
  decoder: sized(decoder),
  codebookSize: 8192,
  tokenSize: 64,
  l2Norm: false,
  legacy: false,
  head: 'pixels',
  pixelDecoder: null,
});

const continuous = (encoder: SizeName, decoder: SizeName, latentTokens: number): TiTokConfig => ({
  ...singleStage(encoder, decoder, latentTokens),
  quantizeMode: 'vae',
  tokenSize: 16,
});

/** 32 × 32 pixels, minutes on two cores. As stage 1 trains it; `withPixelDecoder` makes it stage 2's. */
const laptop: TiTokConfig = {
  imageSize: 32, // emoji stay readable
  latentTokens: 16, // 32 cost more per step: preset small has the time for them
  codebookSize: 512, // all of them are used after 2,000 steps
  tokenSize: 12, // the published code dimension
  encoder: { width: 128, layers: 3, heads: 4, patchSize: 8 }, // patch 4 gives the same loss for twice the tokens
  decoder: { width: 128, layers: 3, heads: 4, patchSize: 4 }, // one output for each code of the 8 × 8 teacher grid
  quantizeMode: 'vq',
  l2Norm: true, // as published
  commitmentCost: 0.25, // as published
  legacy: false, // the quirk serves published weights only
  head: 'proxy', // two stages beat pixels at equal time: 15.4 dB against 13.3 dB
  proxyCodebookSize: leanTeacher.codebookSize,
  pixelDecoder: null,
  init: 'fan-in', // at width 128 the published std 0.02 leaves the latents empty
};

/** Models by name: the published ones of arXiv:2406.07550 and its code, then the laptop's. */
export const presets = {
  s128: published('small', 128),
  b64: published('base', 64),
  l32: published('large', 32),
  l64: large512('large', 64),
  b128: large512('base', 128),
  bl64: singleStage('base', 'large', 64),
  bl128: singleStage('base', 'large', 128),
  sl256: singleStage('small', 'large', 256),
  ll32vae: continuous('large', 'large', 32),
  bl64vae: continuous('base', 'large', 64),
  bl128vae: continuous('base', 'large', 128),
  /** A minute. Half the width and two layers: an update is a third of the work, so there is time for more of them. */
  smoke: {
    ...laptop,
    encoder: { ...laptop.encoder, width: 64, layers: 2 },
    decoder: { ...laptop.decoder, width: 64, layers: 2 },
  },
  /** Five minutes on two cores. */
  tiny: laptop,
  /** An hour. */
  small: {
    ...laptop,
    latentTokens: 32, // an hour is long enough for them to pay
    encoder: { ...laptop.encoder, layers: 4 },
    decoder: { ...laptop.decoder, layers: 4 },
  },
  /** 64 × 64 pixels in 32 tokens of 10 bits, 40 bytes; about two hours. */
  medium: {
    ...laptop,
    imageSize: 64,
    latentTokens: 32,
    codebookSize: 1024,
    encoder: { width: 192, layers: 4, heads: 6, patchSize: 8 },
    decoder: { width: 192, layers: 4, heads: 6, patchSize: 4 },
  },
} as const satisfies Record<string, TiTokConfig>;

/** The configuration that stage 1 trains: proxy logits, without a pixel decoder behind them. */
export const warmupConfig = (config: TiTokConfig): TiTokConfig => ({ ...config, pixelDecoder: null });

/** A TiTok's quantizer. */
export const quantizerOf = (config: TiTokConfig): QuantizerConfig => ({
  quantizer: config.quantizer ?? 'vq',
  codebookSize: config.codebookSize,
  dim: config.tokenSize,
  l2Norm: config.l2Norm,
  commitmentCost: config.commitmentCost,
  entropyCost: config.entropyCost ?? 0.1,
});

/**
 * The configuration with as many numbers per token as its quantizer needs: 3 for 'fsq' with 512 codes, 8·8·8.
 *
 * @throws OptionError when the quantizer cannot have `codebookSize` codes
 */
export const withTokenSize = <C extends TiTokConfig>(config: C): C => ({
  ...config,
  tokenSize: codeDim(quantizerOf(config)),
});

/** Whether all codes have length 1, so that only their directions differ. */
export const hasUnitCodes = ({ quantizer = 'vq', l2Norm, quantizeMode }: TiTokConfig): boolean =>
  quantizeMode === 'vq' &&
  (quantizer === 'bsq' || (l2Norm && ['vq', 'rotation', 'clustering', 'simvq'].includes(quantizer)));

/** G: patches per side, of the encoder's input or the decoder's output. */
export const gridOf = (config: TiTokConfig, half: 'encoder' | 'decoder'): number =>
  config.imageSize / config[half].patchSize;

const choices = {
  variant: [undefined, '1d', '2d'],
  quantizeMode: ['vq', 'vae'],
  head: ['proxy', 'pixels'],
  init: ['published', 'width', 'fan-in'],
} as const satisfies { readonly [K in keyof TiTokConfig]?: readonly TiTokConfig[K][] };

/** Checks a configuration. @throws OptionError when a value is impossible or two contradict each other */
export function checkConfig(config: TiTokConfig): void {
  for (const [name, known] of Object.entries(choices)) {
    const value = config[name as keyof typeof choices];
    expectOption(known.includes(value as never), name, `one of ${known.filter(Boolean).join(', ')}`, value);
  }
  for (const name of ['imageSize', 'latentTokens', 'codebookSize', 'tokenSize', 'proxyCodebookSize'] as const) {
    expectOption(Number.isInteger(config[name]) && config[name] > 0, name, 'a whole number above 0', config[name]);
  }
  for (const half of ['encoder', 'decoder'] as const) {
    const { width, heads, layers, patchSize } = config[half];
    for (const [name, value] of Object.entries({ width, heads, layers, patchSize })) {
      expectOption(Number.isInteger(value) && value > 0, `${half}.${name}`, 'a whole number above 0', value);
    }
    expectOption(width % heads === 0, `${half}.heads`, `a divisor of the width ${width}`, heads);
    const { imageSize } = config;
    expectOption(imageSize % patchSize === 0, `${half}.patchSize`, `a divisor of imageSize ${imageSize}`, patchSize);
  }
  if (config.pixels) {
    const { mean, std } = config.pixels;
    expectOption(Number.isFinite(mean), 'pixels.mean', 'a finite number', mean);
    expectOption(Number.isFinite(std) && std > 0, 'pixels.std', 'a finite number above 0', std);
  }
  if (config.variant === '2d') checkPatchTokens(config);
  const { quantizer = 'vq', quantizeMode, tokenSize, pixelDecoder } = config;
  if (quantizeMode === 'vae') expectOption(quantizer === 'vq', 'quantizer', "'vq' with quantizeMode 'vae'", quantizer);
  const dim = codeDim(quantizerOf(config));
  const needed = `${dim} numbers per token for quantizer ${quantizer} with ${config.codebookSize} codes`;
  expectOption(tokenSize === dim, 'tokenSize', needed, tokenSize, 'withTokenSize(config) sets it.');
  if (!pixelDecoder) return;
  expectOption(
    quantizeMode === 'vq',
    'quantizeMode',
    "'vq' for a model with a pixel decoder",
    quantizeMode,
    'Set pixelDecoder to null.',
  );
  expectOption(
    config.head === 'proxy',
    'head',
    "'proxy' in front of a pixel decoder",
    config.head,
    'Set pixelDecoder to null.',
  );
  const { proxyCodebookSize } = config;
  const codes = pixelDecoder.codebookSize;
  expectOption(
    codes === proxyCodebookSize,
    'pixelDecoder.codebookSize',
    `proxyCodebookSize ${proxyCodebookSize}`,
    codes,
  );
  const side = gridOf(config, 'decoder') * patchSizeOf(pixelDecoder);
  expectOption(
    side === config.imageSize,
    'decoder.patchSize',
    `the pixel decoder's ${patchSizeOf(pixelDecoder)}`,
    config.decoder.patchSize,
  );
}

/** Tokens that are patches: as many as these, each over a whole number of the decoder's outputs. */
function checkPatchTokens(config: TiTokConfig): void {
  const { latentTokens, legacy, variableLength = false, encoder, decoder } = config;
  const patches = gridOf(config, 'encoder') ** 2;
  const fits = encoder.patchSize % decoder.patchSize === 0;
  const about = "for variant '2d'";
  expectOption(latentTokens === patches, 'latentTokens', `${patches}, the encoder's patches, ${about}`, latentTokens);
  expectOption(
    fits,
    'decoder.patchSize',
    `a divisor of the encoder's ${encoder.patchSize} ${about}`,
    decoder.patchSize,
  );
  expectOption(!legacy, 'legacy', `false ${about}`, legacy);
  expectOption(!variableLength, 'variableLength', `false ${about}`, variableLength);
}

/** Checks that a model decodes to pixels. @throws OptionError when it gives logits over a teacher's codes, as before stage 2 */
export function expectPixels(where: string, { head, pixelDecoder }: TiTokConfig): void {
  expectOption(
    head === 'pixels' || pixelDecoder !== null,
    where,
    'a model that decodes to pixels',
    "one before stage 2, whose outputs are logits over a teacher's codes",
    'Finetune it, or take withPixelDecoder(model, teacher).',
  );
}

/** Checks a teacher's sizes. @throws OptionError when one is impossible */
export function checkTeacherConfig(config: TeacherConfig): void {
  const { kind } = config;
  expectOption(kind === 'lean' || kind === 'vqgan', 'teacher kind', 'lean or vqgan', kind);
  const isWhole = (value: number, least: number) => Number.isInteger(value) && value >= least;
  for (const [name, value] of Object.entries(config)) {
    if (name === 'kind') continue;
    const where = `teacher ${name}`;
    if (name === 'stem' || name === 'channelMult') {
      const isList = Array.isArray(value) && value.length > 0 && value.every((width) => isWhole(width, 1));
      expectOption(isList, where, 'one or more whole numbers above 0', value);
    } else if (name === 'resBlocks') {
      expectOption(isWhole(value, 0), where, 'a whole number ≥ 0', value);
    } else {
      expectOption(isWhole(value, 1), where, 'a whole number above 0', value);
    }
  }
}

/** Pixels per side of the square that one code of a teacher stands for. */
export const patchSizeOf = (config: TeacherConfig): number =>
  2 ** (config.kind === 'lean' ? config.stem.length : config.channelMult.length - 1);

/** Numbers per code of a teacher. */
export const latentDim = (config: TeacherConfig): number => (config.kind === 'lean' ? config.dim : config.zChannels);
