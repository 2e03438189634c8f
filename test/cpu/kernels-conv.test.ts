/** Convolution and its gradients against float64 loops, over strides, paddings, groups and odd sizes. */
import { test } from 'node:test';
import { assertClose, harness, randomValues } from './harness.ts';

const random = randomValues(6);
const { run } = harness({ threads: 5 });

interface Case {
  N?: number; C: number; H: number; W: number; O: number; kernel: [number, number]; stride?: [number, number];
  padding?: [number, number, number, number]; groups?: number;
} // biome-ignore format: a row of the table
const CASES: Record<string, Case> = {
  'one value': { C: 1, H: 1, W: 1, O: 1, kernel: [1, 1] },
  '1x1': { N: 2, C: 5, H: 7, W: 6, O: 9, kernel: [1, 1] },
  '1x1, stride 2': { N: 2, C: 3, H: 7, W: 8, O: 4, kernel: [1, 1], stride: [2, 2] },
  '3x3, padding 1': { N: 2, C: 4, H: 9, W: 17, O: 6, kernel: [3, 3], padding: [1, 1, 1, 1] },
  '3x3, stride 2, padding on one side': {
    N: 3, C: 3, H: 8, W: 8, O: 5, kernel: [3, 3], stride: [2, 2], padding: [0, 1, 0, 1],
  },
  '4x4, stride 2, padding 1': { C: 5, H: 10, W: 12, O: 3, kernel: [4, 4], stride: [2, 2], padding: [1, 1, 1, 1] },
  'patches of 4': { N: 2, C: 3, H: 12, W: 8, O: 10, kernel: [4, 4], stride: [4, 4] },
  'stride 3 leaves pixels unread': { C: 2, H: 11, W: 10, O: 3, kernel: [2, 2], stride: [3, 3] },
  'padding beyond the kernel': { C: 2, H: 4, W: 5, O: 3, kernel: [2, 3], padding: [3, 2, 4, 1] },
  'uneven strides': { C: 2, H: 9, W: 10, O: 3, kernel: [3, 2], stride: [1, 2], padding: [1, 0, 0, 2] },
  'many taps, many images': { N: 10, C: 31, H: 5, W: 5, O: 7, kernel: [3, 3], padding: [1, 1, 1, 1] },
  'a small image of many channels': { C: 40, H: 4, W: 4, O: 33, kernel: [3, 3], padding: [1, 1, 1, 1] },
  'a small image, two groups': { C: 4, H: 4, W: 4, O: 34, kernel: [3, 3], padding: [1, 1, 1, 1], groups: 2 },
  'many places': { C: 2, H: 21, W: 40, O: 5, kernel: [3, 3], padding: [1, 1, 1, 1] },
  'two rows of three end seven places on': { C: 2, H: 3, W: 5, O: 3, kernel: [2, 3] },
  'tiles: 3x3, padding 1': { N: 3, C: 24, H: 8, W: 8, O: 20, kernel: [3, 3], padding: [1, 1, 1, 1] },
  'tiles: odd sizes, uneven padding': { N: 2, C: 17, H: 15, W: 22, O: 18, kernel: [3, 3], padding: [1, 0, 2, 1] },
  'tiles: no padding': { C: 32, H: 35, W: 33, O: 16, kernel: [3, 3] },
  'tiles: many groups': { N: 5, C: 16, H: 16, W: 31, O: 40, kernel: [3, 3], padding: [1, 1, 1, 1] },
  'tiles: wide enough for large products': { N: 2, C: 64, H: 16, W: 16, O: 72, kernel: [3, 3], padding: [1, 1, 1, 1] },
  'tiles: padding beyond the kernel': { N: 2, C: 16, H: 16, W: 14, O: 24, kernel: [3, 3], padding: [3, 2, 4, 3] },
  groups: { N: 2, C: 6, H: 6, W: 7, O: 9, kernel: [3, 3], padding: [1, 1, 1, 1], groups: 3 },
  depthwise: { N: 2, C: 5, H: 9, W: 38, O: 5, kernel: [3, 3], padding: [1, 1, 1, 1], groups: 5 },
  'depthwise 7x7': { C: 3, H: 9, W: 9, O: 3, kernel: [7, 7], padding: [3, 3, 3, 3], groups: 3 },
  'depthwise, stride 2': { C: 4, H: 12, W: 39, O: 4, kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1], groups: 4 },
  'depthwise, stride 3, two results each': { C: 3, H: 12, W: 13, O: 6, kernel: [3, 3], stride: [3, 3], groups: 3 },
  'depthwise, stride 2, no padding': { C: 2, H: 5, W: 9, O: 2, kernel: [3, 3], stride: [2, 2], groups: 2 },
}; // biome-ignore format: a table

for (const [name, { N = 1, C, H, W, O, kernel, stride = [1, 1], padding = [0, 0, 0, 0], groups = 1 }] of Object.entries(
  CASES,
))
  test(name, () => {
    const [[kh, kw], [sy, sx], [top, bottom, left, right]] = [kernel, stride, padding];
    const [OH, OW] = [Math.floor((H + top + bottom - kh) / sy) + 1, Math.floor((W + left + right - kw) / sx) + 1];
    const ins = C / groups;
    const [shapeX, shapeW, shapeY] = [
      [N, C, H, W],
      [O, ins, kh, kw],
      [N, O, OH, OW],
    ];
    const [x, w, bias, g] = [random(shapeX), random(shapeW), random([O]), random(shapeY)];
    const y = new Float64Array(g.data.length);
    const dx = new Float64Array(x.data.length);
    const dw = new Float64Array(w.data.length);
    for (let n = 0; n < N; n++)
      for (let o = 0; o < O; o++)
        for (let oy = 0; oy < OH; oy++)
          for (let ox = 0; ox < OW; ox++) {
            const iy = ((n * O + o) * OH + oy) * OW + ox;
            y[iy] = bias.data[o];
            for (let c = 0; c < ins; c++)
              for (let ky = 0; ky < kh; ky++)
                for (let kx = 0; kx < kw; kx++) {
                  const [py, px] = [oy * sy - top + ky, ox * sx - left + kx];
                  if (py < 0 || py >= H || px < 0 || px >= W) continue;
                  const ix = ((n * C + Math.floor(o / (O / groups)) * ins + c) * H + py) * W + px;
                  const iw = ((o * ins + c) * kh + ky) * kw + kx;
                  y[iy] += x.data[ix] * w.data[iw];
                  dx[ix] += g.data[iy] * w.data[iw];
                  dw[iw] += g.data[iy] * x.data[ix];
                }
          }
    const attributes = { stride, padding, groups };
    assertClose(run('conv2d', shapeY, x, w, bias, attributes), y, 2e-5, 'y');
    assertClose(
      run('conv2d', shapeY, x, w, null, attributes),
      y.map((u, i) => u - bias.data[Math.floor(i / (OH * OW)) % O]),
      2e-5,
      'y without bias',
    );
    assertClose(run('conv2dGradInput', shapeX, g, w, { ...attributes, size: [H, W] }), dx, 2e-5, 'dx');
    assertClose(
      run('conv2dGradWeight', shapeW, x, g, { ...attributes, kernel }),
      dw,
      name.startsWith('tiles') ? 5e-5 : 2e-5,
      'dw',
    );
  });
