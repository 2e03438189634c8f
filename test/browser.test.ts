/** Headless Chromium: gpu.js on WebGL 2, WebGL, WebGPU and webasm, and the WASM cpu device with and without threads. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { bundle } from '../tools/browser/bundle.ts';
import { callPage, missingChromium, scriptPage, withPage } from '../tools/browser/chromium.ts';
import type { api } from './browser/page.ts';
import { rows } from './op-rows.ts';

const options = missingChromium ? { skip: missingChromium } : {};
if (missingChromium) console.log(`# SKIP browser: ${missingChromium}`);
const script = missingChromium ? '' : await bundle(new URL('./browser/page.ts', import.meta.url), true);
/** Calls a function of the test page, each time in a fresh browser. */
const call = <Name extends keyof typeof api>(
  name: Name,
  isolated: boolean,
  ...args: Parameters<(typeof api)[Name]>
): Promise<Awaited<ReturnType<(typeof api)[Name]>>> =>
  withPage(scriptPage(script), { isolated }, (page) => callPage<typeof api, Name>(page, name, ...args));

for (const [device, isolated] of [
  ['cpu', true],
  ['cpu', false],
  ['webgl2', false],
  ['webgl', false],
  ['webgpu', false],
  ['webasm', false],
] as const) {
  test(`Chromium: every op on ${device}${isolated ? ', cross-origin isolated' : ''}`, options, async () => {
    const report = await call('runTable', isolated, device);
    assert.equal(report.device, device);
    assert.deepEqual(Object.keys(report.ops), Object.keys(rows));
    for (const [op, { forward, gradient }] of Object.entries(report.ops)) {
      assert.equal(forward, 'ok', op);
      assert.ok(gradient === 'ok' || gradient === 'none', `${op}: ${gradient}`);
    }
    assert.equal(report.threads > 1, isolated, 'only an isolated page has shared memory, and so threads');
  });
}

/** Random shapes for each op: few where every shape is kernels to compile. */
for (const [device, shapes] of [
  ['cpu', 6],
  ['webgl2', 1],
  ['webgpu', 2],
] as const) {
  test(`Chromium: gradients against finite differences on ${device}`, options, async () => {
    const outcomes = await call('runGradients', device === 'cpu', device, shapes);
    assert.deepEqual(outcomes, Object.fromEntries(Object.keys(rows).map((op) => [op, 'ok'])));
  });
}

test('Chromium: NaN and infinity through every elementwise op on cpu', options, async () => {
  const outcomes = await call('runSpecialValues', false, 'cpu');
  assert.ok(Object.keys(outcomes).length > 30, `expected every elementwise op, got ${Object.keys(outcomes)}`);
  for (const [op, outcome] of Object.entries(outcomes)) assert.equal(outcome, 'ok', op);
});

for (const device of ['webgl2', 'webgpu']) {
  test(`Chromium: 10,000 ops with random lifetimes on ${device}`, options, async () => {
    await call('runStress', false, device, 10_000);
  });
}

test('Chromium: training on webgl2 and webgpu as on cpu', options, async () => {
  const want = await call('trainOn', false, 'cpu', 6);
  for (const device of ['webgl2', 'webgpu']) {
    const got = await call('trainOn', false, device, 6);
    for (const [i, loss] of want.losses.entries()) {
      const both = `${device}, step ${i + 1}: ${loss} and ${got.losses[i]}`;
      assert.ok(Math.abs(got.losses[i] - loss) <= 0.01 * Math.abs(loss), both);
    }
  }
});

test(
  'Chromium: a lost WebGL context is an error that names the op, and the device can be opened again',
  options,
  async () => {
    const { message, after } = await call('loseContexts', false, 'webgl2');
    assert.match(message, /^DeviceError: webgl2: exp \[1\]: the WebGL context was lost/);
    assert.equal(after, 1);
  },
);
