/** Weights and inputs of bench/workloads/block.ts as plain arrays, for the same block in other libraries. */
import { readFileSync } from 'node:fs';
import { signals, values } from '../values.ts';

export const [BATCH, TOKENS, WIDTH, HEADS] = [8, 97, 192, 3];
export const x = signals('x', [BATCH, TOKENS, WIDTH]);
export const target = signals('target', [BATCH, TOKENS, WIDTH]);
export const a = signals('a', [512, 512]);
export const b = signals('b', [512, 512]);

const shapes = {
  'ln_1.weight': [WIDTH],
  'ln_1.bias': [WIDTH],
  'attn.in_proj_weight': [3 * WIDTH, WIDTH],
  'attn.in_proj_bias': [3 * WIDTH],
  'attn.out_proj.weight': [WIDTH, WIDTH],
  'attn.out_proj.bias': [WIDTH],
  'ln_2.weight': [WIDTH],
  'ln_2.bias': [WIDTH],
  'mlp.c_fc.weight': [4 * WIDTH, WIDTH],
  'mlp.c_fc.bias': [4 * WIDTH],
  'mlp.c_proj.weight': [WIDTH, 4 * WIDTH],
  'mlp.c_proj.bias': [WIDTH],
};

/** { name: f(shape, values) } for every parameter. */
export const parameters = (f) =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, f(shape, values(name, shape))]));
export const parameterCount = Object.values(shapes)
  .map((shape) => shape.reduce((m, n) => m * n))
  .reduce((m, n) => m + n);

/** Name and version of an installed package, for `Hello`. */
export const library = (name) => ({
  name,
  version: JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8')).version,
});
