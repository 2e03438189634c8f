/** embedding, takeAlong and their gradients. Ids are integers stored as floats. */
import { numel } from '../../shape.ts';
import { options, type Routine, ref } from '../routine.ts';
import { copyFloats, fillFloats, storeFirst } from './copy.ts';
import { add, bytes, f32, floatAt, type I32, i32, kernel, mul, sub, v } from './dsl.ts';

/** The id at an address, clamped to 0..count−1 so that a wrong one cannot reach other memory. */
const clampedId = (address: I32, count: I32): I32 =>
  i32.max(0, i32.min(i32.fromFloat(f32.load(address)), sub(count, 1)));

/** Items: ids. */
const embedding = kernel('embedding', { table: i32, ids: i32, y: i32, width: i32, rows: i32 }, (f, a) => {
  const { item, id, from, to } = f.ints('item id from to');
  f.for(item, a.begin, a.end, 1, () => {
    id.set(clampedId(floatAt(a.ids, item), a.rows));
    from.set(floatAt(a.table, mul(id, a.width)));
    to.set(floatAt(a.y, mul(item, a.width)));
    copyFloats(f, to, from, a.width);
  });
});

/** Items: rows of the table. Each thread reads all ids and adds those of its own rows, in their order. */
const embeddingGrad = kernel('embeddingGrad', { g: i32, ids: i32, y: i32, width: i32, n: i32 }, (f, a) => {
  const { i, id, from, to, left } = f.ints('i id from to left');
  const sum = f.vector('sum');
  const addRow = () => {
    from.set(floatAt(a.g, mul(i, a.width)));
    to.set(floatAt(a.y, mul(id, a.width)));
    left.set(a.width);
    f.while(i32.gt(left, 0), () => {
      sum.set(v.add(v.load(to), v.load(from)));
      f.if(
        i32.ge(left, 4),
        () => f.do(v.store(to, sum)),
        () => storeFirst(f, to, sum, left),
      );
      from.set(add(from, 16));
      to.set(add(to, 16));
      left.set(sub(left, 4));
    });
  };
  fillFloats(f, floatAt(a.y, mul(a.begin, a.width)), f.constant(0), mul(sub(a.end, a.begin), a.width));
  f.for(i, 0, a.n, 1, () => {
    id.set(i32.fromFloat(f32.load(floatAt(a.ids, i))));
    f.if(i32.and(i32.ge(id, a.begin), i32.lt(id, a.end)), addRow);
  });
});

/** Items: rows of x. */
const takeAlong = kernel('takeAlong', { x: i32, ids: i32, y: i32, size: i32, k: i32 }, (f, a) => {
  const { item, i, id, row, offset } = f.ints('item i id row offset');
  f.for(item, a.begin, a.end, 1, () => {
    row.set(floatAt(a.x, mul(item, a.size)));
    offset.set(bytes(mul(item, a.k)));
    f.for(i, 0, a.k, 1, () => {
      id.set(clampedId(add(a.ids, offset), a.size));
      f.do(f32.store(add(a.y, offset), f32.load(floatAt(row, id))));
      offset.set(add(offset, 4));
    });
  });
});

/** Items: rows of y. */
const takeAlongGrad = kernel('takeAlongGrad', { g: i32, ids: i32, y: i32, size: i32, k: i32 }, (f, a) => {
  const { item, i, id, row, offset, cell } = f.ints('item i id row offset cell');
  f.for(item, a.begin, a.end, 1, () => {
    row.set(floatAt(a.y, mul(item, a.size)));
    fillFloats(f, row, f.constant(0), a.size);
    offset.set(bytes(mul(item, a.k)));
    f.for(i, 0, a.k, 1, () => {
      id.set(clampedId(add(a.ids, offset), a.size));
      cell.set(floatAt(row, id));
      f.do(f32.store(cell, f32.add(f32.load(cell), f32.load(add(a.g, offset)))));
      offset.set(add(offset, 4));
    });
  });
});

export const kernels = [embedding, embeddingGrad, takeAlong, takeAlongGrad];

export const routines: Readonly<Record<string, Routine>> = {
  embedding(cpu, y, table, ids) {
    const [rows, width] = ref(table).shape as [number, number];
    const n = numel(ref(ids).shape);
    const launch = { items: n, work: n * (8 + width) };
    cpu.parallel(embedding, launch, { table: ref(table).at, ids: ref(ids).at, y: y.at, width, rows });
  },
  embeddingGrad(cpu, y, g, ids) {
    const [rows, width] = y.shape as [number, number];
    const n = numel(ref(ids).shape);
    const launch = { items: rows, work: (rows + n) * width };
    cpu.parallel(embeddingGrad, launch, { g: ref(g).at, ids: ref(ids).at, y: y.at, width, n });
  },
  takeAlong(cpu, y, x, ids) {
    const [size, k] = [ref(x).shape.at(-1)!, y.shape.at(-1)!];
    const rows = numel(y.shape) / k;
    const launch = { items: rows, work: 8 * rows * k };
    cpu.parallel(takeAlong, launch, { x: ref(x).at, ids: ref(ids).at, y: y.at, size, k });
  },
  takeAlongGrad(cpu, y, g, ids, opts) {
    const { size } = options<{ size: number }>(opts);
    const k = ref(g).shape.at(-1)!;
    const rows = numel(y.shape) / size;
    const launch = { items: rows, work: rows * (size + 8 * k) };
    cpu.parallel(takeAlongGrad, launch, { g: ref(g).at, ids: ref(ids).at, y: y.at, size, k });
  },
};
