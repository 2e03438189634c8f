/** Ops as methods, so that algebra reads left to right: `x.matmul(w).add(b)`. The functions in `ops/` are the same. */

import type { MatmulOptions, Operand } from './ops/index.ts';
import * as ops from './ops/index.ts';
import type { Shape } from './shape.ts';
import { Tensor } from './tensor.ts';

declare module './tensor.ts' {
  interface Tensor {
    add(other: Operand): Tensor;
    sub(other: Operand): Tensor;
    mul(other: Operand): Tensor;
    div(other: Operand): Tensor;
    pow(exponent: Operand): Tensor;
    neg(): Tensor;
    exp(): Tensor;
    log(): Tensor;
    sqrt(): Tensor;
    abs(): Tensor;
    square(): Tensor;
    tanh(): Tensor;
    sigmoid(): Tensor;
    relu(): Tensor;
    gelu(): Tensor;
    silu(): Tensor;
    clamp(low: Operand, high: Operand): Tensor;
    matmul(other: Tensor, options?: MatmulOptions): Tensor;
    reshape(shape: Shape): Tensor;
    permute(axes: readonly number[]): Tensor;
    transpose(a?: number, b?: number): Tensor;
    slice(starts: readonly number[], sizes: Shape): Tensor;
    narrow(axis: number, start: number, length: number): Tensor;
    expand(shape: Shape): Tensor;
    squeeze(axis: number): Tensor;
    unsqueeze(axis: number): Tensor;
    flatten(from?: number): Tensor;
    sum(axes?: number | readonly number[], keepDims?: boolean): Tensor;
    mean(axes?: number | readonly number[], keepDims?: boolean): Tensor;
    max(axis?: number, keepDims?: boolean): Tensor;
    min(axis?: number, keepDims?: boolean): Tensor;
    argmax(axis?: number): Tensor;
    argmin(axis?: number): Tensor;
    softmax(axis?: number): Tensor;
    logSoftmax(axis?: number): Tensor;
  }
}

const methods = [
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'neg',
  'exp',
  'log',
  'sqrt',
  'abs',
  'square',
  'tanh',
  'sigmoid',
  'relu',
  'gelu',
  'silu',
  'clamp',
  'matmul',
  'reshape',
  'permute',
  'transpose',
  'slice',
  'narrow',
  'expand',
  'squeeze',
  'unsqueeze',
  'flatten',
  'sum',
  'mean',
  'max',
  'min',
  'argmax',
  'argmin',
  'softmax',
  'logSoftmax',
] as const;
for (const name of methods) {
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: every op that is a method is wanted
  const op = ops[name] as (x: Tensor, ...rest: unknown[]) => Tensor;
  Object.defineProperty(Tensor.prototype, name, {
    value: function (this: Tensor, ...rest: unknown[]) {
      return op(this, ...rest);
    },
  });
}
