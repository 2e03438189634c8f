/**
 * The two passes of bicubic resizing, horizontal then vertical, in WebAssembly SIMD. The Python Imaging Library's bits:
 * int32 sums of bytes times fixed-point weights, rounded to 8 bits after each pass. Each pass computes only what is
 * wanted, from the rows and columns that the windows cover.
 */
import {
  add,
  type Fn,
  i32,
  type Local,
  mul,
  sub,
  type V128,
  v,
  type WasmProgram,
  wasmFunction,
  wasmProgram,
} from '../core/wasm.ts';
import type { RgbImage } from './pixels.ts';
import { fractionBits, lowBits, type Windows } from './windows.ts';

const pixel = 3; // bytes
const half = 2 ** (fractionBits - 1); // the shift then rounds
/** Readable bytes behind an image: padded windows and vectors reach over its end, with weights of 0. */
const margin = (taps: number) => pixel * taps + 16;

/** Sums of four values → four bytes, clamped. The parts may wrap around; the sum is below 2³¹, and so it is right. */
const toBytes = (high: V128, low: V128): V128 => {
  const sum = v.intAdd(v.intShl(high, lowBits), low);
  return v.narrowToBytes(v.narrow(v.intShr(sum, fractionBits), v.intConst(0)), v.intConst(0));
};

/** Each pixel of an output row is a weighted sum of neighbors in its input row; one byte behind the output is overwritten. */
const horizontal = wasmFunction(
  'horizontal',
  { input: i32, stride: i32, rows: i32, starts: i32, weights: i32, taps: i32, count: i32, output: i32 },
  (f, a) => {
    const { row, i, from, start, weight, left, to } = f.ints('row i from start weight left to');
    const { high, low } = f.vectors('high low'); // lanes: red, green, blue, and one that is not used
    to.set(a.output);
    f.for(row, 0, a.rows, 1, () => {
      start.set(a.starts);
      weight.set(a.weights);
      f.for(i, 0, a.count, 1, () => {
        from.set(add(a.input, mul(i32.load(start), pixel)));
        sumWindow(f, { high, low, from, weight, left }, a.taps, pixel);
        f.do(v.storeLane(to, toBytes(high, low), 0));
        to.set(add(to, pixel));
        start.set(add(start, 4));
      });
      a.input.set(add(a.input, a.stride));
    });
  },
);

/** Each output row is a weighted sum of input rows, four values at a time; up to three bytes behind it are overwritten. */
const vertical = wasmFunction(
  'vertical',
  { input: i32, stride: i32, starts: i32, weights: i32, taps: i32, count: i32, output: i32 },
  (f, a) => {
    const { i, x, from, weight, left, to, column } = f.ints('i x from weight left to column');
    const { high, low } = f.vectors('high low');
    to.set(a.output);
    f.for(i, 0, a.count, 1, () => {
      column.set(add(a.input, mul(i32.load(a.starts), a.stride)));
      f.for(x, 0, a.stride, 4, () => {
        from.set(add(column, x));
        weight.set(a.weights);
        sumWindow(f, { high, low, from, weight, left }, a.taps, a.stride);
        f.do(v.storeLane(add(to, x), toBytes(high, low), 0));
      });
      to.set(add(to, a.stride));
      a.weights.set(weight);
      a.starts.set(add(a.starts, 4));
    });
  },
);

interface Sum {
  readonly high: Local<'v128'>;
  readonly low: Local<'v128'>;
  readonly from: Local<'i32'>;
  readonly weight: Local<'i32'>;
  readonly left: Local<'i32'>;
}

/**
 * high, low = half + Σ_k weight[k] · the four bytes at from + k · step, by the parts of the weights; moves `from` and
 * `weight` behind the window.
 */
function sumWindow(f: Fn, { high, low, from, weight, left }: Sum, taps: Local<'i32'>, step: number | Local<'i32'>) {
  const pair = f.vector('pair');
  high.set(v.intConst(0));
  low.set(v.intConst(half));
  left.set(taps);
  f.doWhile(() => {
    pair.set(v.widenBytes(v.interleaveBytes(v.loadZero(from), v.loadZero(add(from, step)))));
    high.set(v.intAdd(high, v.dotPairs(pair, v.loadSplat(weight))));
    low.set(v.intAdd(low, v.dotPairs(pair, v.loadSplat(weight, 4))));
    from.set(add(from, step, step));
    weight.set(add(weight, 8));
    left.set(sub(left, 2));
    return left;
  });
}

let program: WasmProgram | undefined;
const bandBytes = 2 ** 18; // of input rows that are copied at once: they stay in the cache
const keptBytes = 2 ** 26; // a larger memory is given back, as it cannot shrink

/**
 * The wanted part of a resized image.
 * @param image  the part of the input that the windows cover, or more
 * @param left, top  where `image` lies in the whole input
 */
export function resizePart(image: RgbImage, x: Windows, y: Windows, left = 0, top = 0): RgbImage {
  program ??= wasmProgram([horizontal, vertical]);
  const [width, height] = [x.starts.length, y.starts.length];
  const [stride, wideStride, wideRows] = [image.width * pixel, width * pixel, y.end - y.begin];
  const band = Math.max(1, Math.min(wideRows, Math.floor(bandBytes / stride)));
  let size = 0;
  const place = (bytes: number) => {
    const at = size;
    size += Math.ceil(bytes / 16) * 16;
    return at;
  };
  const placeWindows = ({ starts, weights, taps }: Windows) => {
    return { starts: place(starts.byteLength), weights: place(weights.byteLength), taps, count: starts.length };
  };
  const [across, down] = [placeWindows(x), placeWindows(y)];
  const input = place(band * stride + margin(x.taps));
  const wide = place(wideRows * wideStride + y.taps * wideStride + 16);
  const output = place(height * wideStride + 16);
  const memory = program.bytes(size);

  for (const [windows, at, origin] of [
    [x, across, left],
    [y, down, y.begin],
  ] as const) {
    memory.set(bytesOf(windows.starts.map((start) => start - origin)), at.starts);
    memory.set(bytesOf(windows.weights), at.weights);
  }
  for (let row = 0; row < wideRows; row += band) {
    const rows = Math.min(band, wideRows - row);
    const begin = (y.begin - top + row) * stride;
    memory.set(image.data.subarray(begin, begin + rows * stride), input);
    program.run(horizontal, { ...across, input, stride, rows, output: wide + row * wideStride });
  }
  program.run(vertical, { ...down, input: wide, stride: wideStride, output });
  const data = memory.slice(output, output + height * wideStride);
  if (size > keptBytes) program = undefined;
  return { width, height, data };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array | Int16Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);
