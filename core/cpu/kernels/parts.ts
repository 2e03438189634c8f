/**
 * Sums that are cut over threads along the summed axis: each part adds up its share in its own memory, then the parts are
 * added in order. The number of parts comes from the shapes, so results do not depend on the number of threads.
 */
import { i32, v } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import type { Cpu } from '../routine.ts';
import { eachFour, ints, vectors } from './locals.ts';

const at = i32.add;
const c = i32.const;

export const routines = {};
export function define(k: KernelBuilder): void {
  // y[j] = Σ_p parts[p][j]; items: columns j
  k.def('sum_parts', 'begin end scratch parts y count n', (f, a, L) => {
    const { p, j, part, columns } = ints(L, 'p j part columns');
    const { s } = vectors(L, 's');
    columns.set(i32.sub(a.end, a.begin));
    for (const q of [a.parts, a.y]) q.set(at(q, i32.shl(a.begin, c(2))));
    eachFour(f, L, j, columns, ({ store }) => {
      part.set(at(a.parts, j));
      s.set(v.load(part));
      f.for(p, c(1), a.count, c(1), () => {
        part.set(at(part, i32.shl(a.n, c(2))));
        s.set(v.add(s, v.load(part)));
      });
      store(a.y, s);
    });
  });
}

/** `fill` writes `count` parts of n values, one after another; y becomes their sum. */
export function reduceParts(cpu: Cpu, y: number, count: number, n: number, fill: (parts: number) => void): void {
  if (count === 1) {
    fill(y);
    return;
  }
  const parts = cpu.alloc(count * n);
  fill(parts);
  cpu.parallel('sum_parts', n, count * n, [parts, y, count, n], 16);
  cpu.free(parts, count * n);
}

/** Copies n values: the sum of one part. */
export const copyValues = (cpu: Cpu, from: number, to: number, n: number): void =>
  cpu.parallel('sum_parts', n, n, [from, to, 1, n], 16);
