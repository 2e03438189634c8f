/** Ops as methods, so that algebra reads left to right: `x.matmul(w).add(b)`. The functions in `ops/` do the same. */
import * as ops from './ops/index.ts';
import { Tensor } from './tensor.ts';

const names = [
  'add', 'sub', 'mul', 'div', 'pow', 'neg', 'exp', 'log', 'sqrt', 'abs', 'square',
  'tanh', 'sigmoid', 'relu', 'gelu', 'silu', 'clamp',
  'matmul', 'reshape', 'permute', 'transpose', 'slice', 'narrow', 'expand', 'squeeze', 'unsqueeze', 'flatten',
  'sum', 'mean', 'max', 'min', 'argmax', 'argmin', 'softmax', 'logSoftmax',
  'std', 'variance', 'prod', 'cumsum', 'round', 'sign', 'tril', 'triu', 'topk', 'gather',
] as const; // biome-ignore format: by kind

/** Without its first argument, the tensor whose method it is. */
type Method<Op> = Op extends (x: Tensor, ...rest: infer Rest) => infer Result ? (...options: Rest) => Result : never;
type Chained = Pick<typeof ops, (typeof names)[number]>;
/** Mapped over the functions' own keys, each method shows its function's documentation in an editor. */
type Methods = { [Name in keyof Chained]: Method<Chained[Name]> };

declare module './tensor.ts' {
  interface Tensor extends Methods {}
}

for (const name of names) {
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: every op that is a method is wanted
  const op = ops[name] as (x: Tensor, ...rest: unknown[]) => Tensor;
  Object.defineProperty(Tensor.prototype, name, {
    value: function (this: Tensor, ...rest: unknown[]) {
      return op(this, ...rest);
    },
  });
}
