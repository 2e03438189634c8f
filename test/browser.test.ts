/** The op table in headless Chromium: gpu.js on WebGL 2, WebGL and WebGPU, and the WASM cpu device with and without threads. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { bundle, missingChromium, withPage } from './browser/chromium.ts';
import type { PageReport } from './browser/page.ts';
import { rows } from './op-rows.ts';

const cases = [
  { device: 'cpu', isolated: true, threads: 2 },
  { device: 'cpu', isolated: false, threads: 1 },
  { device: 'webgl2', isolated: false },
  { device: 'webgl', isolated: false },
  { device: 'webgpu', isolated: false },
];

if (missingChromium) console.log(`# SKIP browser: ${missingChromium}`);
const script = missingChromium ? '' : await bundle('./page.ts', true);

for (const { device, isolated, threads } of cases) {
  const where = `${device}${threads ? `, ${isolated ? 'cross-origin isolated' : 'not isolated'}` : ''}`;
  test(`Chromium: every op on ${where}`, missingChromium ? { skip: missingChromium } : {}, async () => {
    const report = await withPage(script, isolated, (page) =>
      page.evaluate((name) => (globalThis as unknown as Page).runTable(name), device),
    );
    assert.equal(report.device, device);
    assert.deepEqual(report.failed, []);
    assert.deepEqual(report.passed, Object.keys(rows));
    if (threads === 1) assert.equal(report.threads, 1);
    if (threads === 2) assert.ok(report.threads > 1, `expected threads, got ${report.threads}`);
  });
}

interface Page {
  runTable(name: string): Promise<PageReport>;
}
