/** Matrix products by the faster method: gemm, or Strassen's algorithm for all but the edges of large ones. */
import { add, floatAt, type Int, i32, mul, sub, wasmFunction } from './dsl.ts';
import { ADDEND, gemm, PACKED, type ProductFunction, productParams } from './gemm.ts';
import { roundedDown, strassen, UNIT } from './strassen.ts';
import type { Mode } from './tile.ts';

/** Below these a product has too little to save (`bench gemm`). */
const LEAST = { m: 64, n: 64, depth: 64 };

/** The arguments that differ from part to part. */
interface Part {
  readonly m: Int;
  readonly n: Int;
  readonly depth: Int;
  readonly A: Int;
  readonly B: Int;
  readonly C: Int;
  readonly addend: Int;
  readonly bias: Int;
}

/** `buffer` has SCRATCH_FLOATS floats. Strassen's algorithm needs even halves; gemm adds the odd k and the edges. */
const multiplyOf = (mode: Mode): ProductFunction =>
  wasmFunction(`multiply.${mode}`, productParams, (f, a) => {
    const { m, n, depth } = f.ints('m n depth');
    const few = i32.or(i32.lt(a.m, LEAST.m), i32.or(i32.lt(a.n, LEAST.n), i32.lt(a.depth, LEAST.depth)));
    const small = i32.or(few, i32.eq(a.cs, PACKED));
    const call = (by: ProductFunction, part: Partial<Part>) => f.call(by, { ...a, ...part });
    const inA = (row: Int, column: Int) =>
      add(a.A, mode === 'row' ? floatAt(mul(row, a.lda), column) : floatAt(mul(column, a.lda), row));
    const inC = (row: Int, column: Int) => add(a.C, floatAt(mul(row, a.ldc), column));
    f.if(
      small,
      () => call(gemm[mode], {}),
      () => {
        m.set(roundedDown(a.m, UNIT.rows));
        n.set(roundedDown(a.n, UNIT.columns));
        depth.set(i32.and(a.depth, -2));
        call(strassen[mode], { m, n, depth });
        // the odd k, then the columns and rows past multiples of UNIT
        f.if(i32.ne(depth, a.depth), () => {
          const B = add(a.B, mul(depth, a.rs));
          call(gemm[mode], { m, n, depth: 1, A: inA(0, depth), B, addend: ADDEND.c, bias: 0 });
        });
        const biasOfRest = i32.select(floatAt(a.bias, n), 0, a.bias);
        f.if(i32.ne(n, a.n), () => {
          const B = add(a.B, mul(n, a.cs));
          call(gemm[mode], { m, n: sub(a.n, n), B, C: inC(0, n), bias: biasOfRest });
        });
        f.if(i32.ne(m, a.m), () => call(gemm[mode], { m: sub(a.m, m), A: inA(m, 0), C: inC(m, 0) }));
      },
    );
  });

export const multiply = { row: multiplyOf('row'), col: multiplyOf('col') };
