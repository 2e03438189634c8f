/** Teachers and their decoders by configuration: the published convolutional one and the laptop's. */
import type { Rng } from '../core/index.ts';
import type { PixelDecoderConfig } from './config.ts';
import { LeanDecoder, LeanTeacher } from './lean-teacher.ts';
import { MaskGitVqgan, VqganDecoder } from './vqgan.ts';

export type AnyTeacher = MaskGitVqgan | LeanTeacher;

export const createTeacher = (config: PixelDecoderConfig, rng: Rng): AnyTeacher =>
  config.kind === 'lean' ? new LeanTeacher(config, rng) : new MaskGitVqgan(config, rng);

export const createPixelDecoder = (config: PixelDecoderConfig, rng: Rng): VqganDecoder | LeanDecoder =>
  config.kind === 'lean' ? new LeanDecoder(config, rng) : new VqganDecoder(config, rng);
