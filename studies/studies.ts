/** All studies. */
import { generation } from './generation.ts';
import { quantizer } from './quantizer.ts';
import { recipe } from './recipe.ts';
import { sampler } from './sampler.ts';
import { schedule } from './schedule.ts';
import type { Study } from './study.ts';
import { tokenizer } from './tokenizer.ts';
import { tokens } from './tokens.ts';
import { variable } from './variable.ts';

/** Studies by name, in the order in which `titok study all` runs them. */
export const studies: Readonly<Record<string, Study>> = {
  tokens,
  tokenizer,
  schedule,
  generation,
  variable,
  sampler,
  quantizer,
  recipe,
};
