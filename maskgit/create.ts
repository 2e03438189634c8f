/** Generators by configuration. */
import type { Rng } from '../core/index.ts';
import { ImageBert } from './bert.ts';
import type { GeneratorConfig } from './config.ts';
import type { Generator } from './generator.ts';
import { UViTBert } from './uvit.ts';

/** A generator of the configured architecture, with random weights. @throws OptionError for an impossible configuration */
export function createGenerator(config: GeneratorConfig, rng: Rng): Generator {
  return config.architecture === 'bert' ? new ImageBert(config, rng) : new UViTBert(config, rng);
}
