/**
 * Sums that threads share along the summed axis. Each part sums its share into memory of its own, then the parts are
 * added in order. The number of parts depends on the shapes alone, so results do not depend on the number of threads.
 */
import type { Cpu } from '../routine.ts';
import { add, floatAt, i32, kernel, sub, v } from './dsl.ts';
import { eachFour } from './rows.ts';

/** y[j] = Σ_p parts[p][j] of `count` parts of n values. Items: j. */
const sumParts = kernel('sumParts', { parts: i32, y: i32, count: i32, n: i32 }, (f, a) => {
  const { p, j, part, columns } = f.ints('p j part columns');
  const { s } = f.vectors('s');
  columns.set(sub(a.end, a.begin));
  for (const q of [a.parts, a.y]) q.set(floatAt(q, a.begin));
  eachFour(f, j, columns, ({ store }) => {
    part.set(add(a.parts, j));
    s.set(v.load(part));
    f.for(p, 1, a.count, 1, () => {
      part.set(floatAt(part, a.n));
      s.set(v.add(s, v.load(part)));
    });
    store(a.y, s);
  });
});

export const kernels = [sumParts];

/** Cache lines, so that no two threads write the same one. */
const UNIT = 16;

/** y[n] = the sum of `count` parts of n values, which `fill` writes one after another at the address it gets. */
export function reduceParts(cpu: Cpu, y: number, count: number, n: number, fill: (parts: number) => void): void {
  if (count === 1) {
    fill(y);
    return;
  }
  const parts = cpu.alloc(count * n);
  fill(parts);
  cpu.parallel(sumParts, { items: n, work: count * n, unit: UNIT }, { parts, y, count, n });
  cpu.free(parts, count * n);
}

/** Copies n values: the sum of one part. */
export const copyValues = (cpu: Cpu, from: number, to: number, n: number): void =>
  cpu.parallel(sumParts, { items: n, work: n, unit: UNIT }, { parts: from, y: to, count: 1, n });
