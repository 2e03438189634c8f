/** Ops as methods, so that algebra reads left to right: `x.matmul(w).add(b)`. The functions in `ops/` do the same. */
import * as elementwise from './ops/elementwise.ts';
import * as extremes from './ops/extremes.ts';
import * as indexing from './ops/indexing.ts';
import * as matmul from './ops/matmul.ts';
import * as movement from './ops/movement.ts';
import * as reduce from './ops/reduce.ts';
import * as softmax from './ops/softmax.ts';
import * as sort from './ops/sort.ts';
import * as statistics from './ops/statistics.ts';
import * as triangle from './ops/triangle.ts';
import { Tensor } from './tensor.ts';

const names = [
  'add', 'sub', 'mul', 'div', 'pow', 'neg', 'exp', 'log', 'sqrt', 'abs', 'square',
  'tanh', 'sigmoid', 'relu', 'gelu', 'silu', 'clamp',
  'matmul', 'reshape', 'permute', 'transpose', 'slice', 'narrow', 'expand', 'squeeze', 'unsqueeze', 'flatten',
  'sum', 'mean', 'max', 'min', 'argmax', 'argmin', 'softmax', 'logSoftmax',
  'std', 'variance', 'prod', 'cumsum', 'round', 'sign', 'tril', 'triu', 'topk', 'gather',
] as const; // biome-ignore format: by kind

// from their own files: behind the re-exports of ops/index.ts an editor finds no documentation
type Ops = typeof elementwise &
  typeof extremes &
  typeof indexing &
  typeof matmul &
  typeof movement &
  typeof reduce &
  typeof softmax &
  typeof sort &
  typeof statistics &
  typeof triangle;
const ops: Ops = {
  ...elementwise,
  ...extremes,
  ...indexing,
  ...matmul,
  ...movement,
  ...reduce,
  ...softmax,
  ...sort,
  ...statistics,
  ...triangle,
};

/** An op without its first argument, which is the tensor whose method it is. */
type Method<Op> = Op extends (x: Tensor, ...rest: infer Rest) => infer Result ? (...options: Rest) => Result : never;
type Chained = Pick<Ops, (typeof names)[number]>;
/** Mapped over the ops' own keys, so that each method keeps the documentation of its op. */
type Methods = { [Name in keyof Chained]: Method<Chained[Name]> };

declare module './tensor.ts' {
  interface Tensor extends Methods {}
}

for (const name of names) {
  const op = ops[name] as (x: Tensor, ...rest: unknown[]) => Tensor;
  Object.defineProperty(Tensor.prototype, name, {
    value: function (this: Tensor, ...rest: unknown[]) {
      return op(this, ...rest);
    },
  });
}
