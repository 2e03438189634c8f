/** Reading and adding by ids: embedding, takeAlong and their gradients. Ids are whole numbers stored as floats. */
import { numel } from '../../shape.ts';
import { f32, type I32, i32, v } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import { options, type Routine, ref } from '../routine.ts';
import { copyFloats, fillFloats, storeFirst } from './copy.ts';
import { ints } from './locals.ts';

export const routines: Readonly<Record<string, Routine>> = {
  embedding(cpu, y, table, ids) {
    const [rows, width] = ref(table).shape as [number, number];
    const n = numel(ref(ids).shape);
    cpu.parallel('embedding', n, n * (8 + width), [ref(table).at, ref(ids).at, y.at, width, rows]);
  },
  embeddingGrad(cpu, y, g, ids) {
    const [rows, width] = y.shape as [number, number];
    const n = numel(ref(ids).shape);
    cpu.parallel('embeddingGrad', rows, (rows + n) * width, [ref(g).at, ref(ids).at, y.at, width, n]);
  },
  takeAlong(cpu, y, x, ids) {
    const [size, k] = [ref(x).shape.at(-1)!, y.shape.at(-1)!];
    const rows = numel(y.shape) / k;
    cpu.parallel('takeAlong', rows, 8 * rows * k, [ref(x).at, ref(ids).at, y.at, size, k]);
  },
  takeAlongGrad(cpu, y, g, ids, opts) {
    const { size } = options<{ size: number }>(opts);
    const k = ref(g).shape.at(-1)!;
    const rows = numel(y.shape) / size;
    cpu.parallel('takeAlongGrad', rows, rows * (size + 8 * k), [ref(g).at, ref(ids).at, y.at, size, k]);
  },
};

/** The id at an address, held inside 0..count−1 so that a wrong one cannot reach other memory. */
const idAt = (at: I32, count: I32): I32 =>
  i32.max(i32.const(0), i32.min(i32.fromFloat(f32.load(at)), i32.sub(count, i32.const(1))));

export function define(k: KernelBuilder): void {
  const bytes = (floats: I32) => i32.shl(floats, i32.const(2));

  // item = id
  k.def('embedding', 'begin end scratch table ids y width rows', (f, a, L) => {
    const { item, id, from, to } = ints(L, 'item id from to');
    f.for(item, a.begin, a.end, i32.const(1), () => {
      id.set(idAt(i32.add(a.ids, bytes(item)), a.rows));
      from.set(i32.add(a.table, bytes(i32.mul(id, a.width))));
      to.set(i32.add(a.y, bytes(i32.mul(item, a.width))));
      copyFloats(f, L, to, from, a.width);
    });
  });

  // item = row of the table; each thread reads all ids and adds those of its own rows, in their order
  k.def('embeddingGrad', 'begin end scratch g ids y width n', (f, a, L) => {
    const { i, id, from, to, left } = ints(L, 'i id from to left');
    const sum = L('sum');
    fillFloats(f, L, i32.add(a.y, bytes(i32.mul(a.begin, a.width))), k.c(0), i32.mul(i32.sub(a.end, a.begin), a.width));
    f.loop(i, a.n, 1, () => {
      id.set(i32.fromFloat(f32.load(i32.add(a.ids, bytes(i)))));
      f.if(i32.and(i32.ge(id, a.begin), i32.lt(id, a.end)), () => {
        from.set(i32.add(a.g, bytes(i32.mul(i, a.width))));
        to.set(i32.add(a.y, bytes(i32.mul(id, a.width))));
        left.set(a.width);
        f.while(i32.gt(left, i32.const(0)), () => {
          sum.set(v.add(v.load(to), v.load(from)));
          f.if(
            i32.ge(left, i32.const(4)),
            () => f.do(v.store(to, sum)),
            () => storeFirst(f, to, sum, left),
          );
          from.set(i32.add(from, i32.const(16)));
          to.set(i32.add(to, i32.const(16)));
          left.set(i32.sub(left, i32.const(4)));
        });
      });
    });
  });

  // item = row of x
  k.def('takeAlong', 'begin end scratch x ids y size k', (f, a, L) => {
    const { item, i, id, row, at } = ints(L, 'item i id row at');
    f.for(item, a.begin, a.end, i32.const(1), () => {
      row.set(i32.add(a.x, bytes(i32.mul(item, a.size))));
      at.set(bytes(i32.mul(item, a.k)));
      f.loop(i, a.k, 1, () => {
        id.set(idAt(i32.add(a.ids, at), a.size));
        f.do(f32.store(i32.add(a.y, at), f32.load(i32.add(row, bytes(id)))));
        at.set(i32.add(at, i32.const(4)));
      });
    });
  });

  // item = row of y
  k.def('takeAlongGrad', 'begin end scratch g ids y size k', (f, a, L) => {
    const { item, i, id, row, at, cell } = ints(L, 'item i id row at cell');
    f.for(item, a.begin, a.end, i32.const(1), () => {
      row.set(i32.add(a.y, bytes(i32.mul(item, a.size))));
      fillFloats(f, L, row, k.c(0), a.size);
      at.set(bytes(i32.mul(item, a.k)));
      f.loop(i, a.k, 1, () => {
        id.set(idAt(i32.add(a.ids, at), a.size));
        cell.set(i32.add(row, bytes(id)));
        f.do(f32.store(cell, f32.add(f32.load(cell), f32.load(i32.add(a.g, at)))));
        at.set(i32.add(at, i32.const(4)));
      });
    });
  });
}
