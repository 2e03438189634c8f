/** Packs a matrix that is not stored, but gathered from images, into the panels of gemm.ts. */
import { add, type I32, i32, type Local, mul, sub, v, wasmFunction } from './dsl.ts';

/**
 * The values at src + offset of k + offset of j. Each of the two indices, k and j, stands for three: (channel, ky, kx)
 * of a tap, or (image, y, x) of a pixel. `size1` and `size2` are the lengths of the last two, and the offset of an
 * index is Σ part · stride.
 */
const params = {
  src: i32,
  firstK: i32,
  /** Number of k. */
  depth: i32,
  sizeK1: i32,
  sizeK2: i32,
  strideK0: i32,
  strideK1: i32,
  strideK2: i32,
  firstJ: i32,
  /** Number of j. */
  n: i32,
  sizeJ1: i32,
  sizeJ2: i32,
  strideJ0: i32,
  strideJ1: i32,
  strideJ2: i32,
  dst: i32,
};

type Int = Local<'i32'>;
/** A running index: its last two parts and its offset. */
interface Index {
  readonly offset: Int;
  readonly part1: Int;
  readonly part2: Int;
}
interface Axis {
  readonly size1: Int;
  readonly size2: Int;
  readonly stride0: Int;
  readonly stride1: Int;
  readonly stride2: Int;
}

/** dst = panels [n/8][depth][8]. */
export const packGather = wasmFunction('packGather', params, (f, a) => {
  const { j, count, p, d, j1, j2, k1, k2, offset } = f.ints('j count p d j1 j2 k1 k2 offset');
  const { start, start1, start2 } = f.ints('start start1 start2');
  const columns = f.intArray('column', 8);
  const axisK: Axis = {
    size1: a.sizeK1,
    size2: a.sizeK2,
    stride0: a.strideK0,
    stride1: a.strideK1,
    stride2: a.strideK2,
  };
  const axisJ: Axis = {
    size1: a.sizeJ1,
    size2: a.sizeJ2,
    stride0: a.strideJ0,
    stride1: a.strideJ1,
    stride2: a.strideJ2,
  };
  const indexK: Index = { offset, part1: k1, part2: k2 };
  const indexJ: Index = { offset: p, part1: j1, part2: j2 };

  const partsOf = (index: Int, { size1, size2 }: Axis): [I32, I32, I32] => [
    i32.divu(i32.divu(index, size2), size1),
    i32.remu(i32.divu(index, size2), size1),
    i32.remu(index, size2),
  ];
  /** Goes to the next index. */
  const advance = ({ offset, part1, part2 }: Index, { size1, size2, stride0, stride1, stride2 }: Axis) => {
    offset.set(add(offset, stride2));
    part2.set(add(part2, 1));
    f.if(i32.eq(part2, size2), () => {
      part2.set(0);
      offset.set(add(offset, sub(stride1, mul(size2, stride2))));
      part1.set(add(part1, 1));
      f.if(i32.eq(part1, size1), () => {
        part1.set(0);
        offset.set(add(offset, sub(stride0, mul(size1, stride1))));
      });
    });
  };
  /** Runs `copyRow` for each k. */
  const eachK = (copyRow: () => void) => {
    offset.set(start);
    k1.set(start1);
    k2.set(start2);
    count.set(a.depth);
    f.doWhile(() => {
      copyRow();
      d.set(add(d, 32));
      advance(indexK, axisK);
      count.set(sub(count, 1));
      return count;
    });
  };
  const copyNeighbors = () => {
    const from = add(columns[0], offset);
    f.do(v.store(d, v.load(from)), v.store(d, v.load(from, 16), 16));
  };
  const copyEach = () => f.do(...columns.map((column, x) => i32.store(d, i32.load(add(column, offset)), 4 * x)));

  const [first0, first1, first2] = partsOf(a.firstK, axisK);
  start.set(add(mul(first0, a.strideK0), mul(first1, a.strideK1), mul(first2, a.strideK2)));
  start1.set(first1);
  start2.set(first2);
  const [column0, column1, column2] = partsOf(a.firstJ, axisJ);
  p.set(add(a.src, mul(column0, a.strideJ0), mul(column1, a.strideJ1), mul(column2, a.strideJ2)));
  j1.set(column1);
  j2.set(column2);
  d.set(a.dst);
  f.for(j, 0, a.n, 8, () => {
    for (const [x, column] of columns.entries()) {
      column.set(p);
      // columns past the end repeat the last one
      f.if(i32.lt(add(j, x + 1), a.n), () => advance(indexJ, axisJ));
    }
    const areNeighbors = i32.and(i32.eq(sub(columns[7], columns[0]), 28), i32.ge(sub(a.n, j), 8));
    f.if(
      areNeighbors,
      () => eachK(copyNeighbors),
      () => eachK(copyEach),
    );
  });
});
