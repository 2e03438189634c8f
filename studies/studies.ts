/** All studies. */
import type { Study } from './study.ts';
import { tokens } from './tokens.ts';

/** Studies by name, in the order in which `titok study all` runs them. */
export const studies: Readonly<Record<string, Study>> = { tokens };
