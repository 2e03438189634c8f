/** `npm run docs:operations`: writes docs/operations.md, a table of every op and its gradient on every device of this machine. */
import { writeFileSync } from 'node:fs';
import { DeviceError, openDevice } from '../core/index.ts';
import { opTable } from '../core/op.ts';
import * as everyOp from '../core/ops/index.ts';
import { bundle } from '../tools/browser/bundle.ts';
import { callPage, missingChromium, scriptPage, withPage } from '../tools/browser/chromium.ts';
import type { api } from './browser/page.ts';
import { checkOp, type OpReport } from './parity.ts';

const NODE = ['cpu', 'gpujs-cpu', 'webasm', 'webgpu', 'headlessgl'];
const BROWSER = ['cpu', 'webgpu', 'webgl2', 'webgl', 'webasm'];

const ops = [...opTable.keys()].sort();
const columns: { title: string; ops: Record<string, OpReport> }[] = [];
const unavailable: string[] = [];

for (const name of NODE) {
  try {
    const device = await openDevice(name);
    const results: Record<string, OpReport> = {};
    for (const op of ops) results[op] = await checkOp(op, device);
    columns.push({ title: `${name}, Node`, ops: results });
    await device.close();
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    unavailable.push(error.message);
  }
  console.error(`${name}, Node: done`);
}
if (missingChromium) unavailable.push(missingChromium);
else {
  const site = scriptPage(await bundle(new URL('./browser/page.ts', import.meta.url)));
  for (const name of BROWSER) {
    const report = await withPage(site, { isolated: name === 'cpu' }, (page) =>
      callPage<typeof api, 'runTable'>(page, 'runTable', name),
    );
    columns.push({ title: `${name}, Chromium`, ops: report.ops });
    console.error(`${name}, Chromium: done`);
  }
}

const cell = ({ forward, gradient }: OpReport): string =>
  `${forward === 'ok' ? '✓' : '✗'} ${{ ok: '✓', none: '–' }[gradient] ?? '✗'}`;
const table = [
  `| op | ${columns.map((c) => c.title).join(' | ')} |`,
  `|---|${columns.map(() => ':-:').join('|')}|`,
  ...ops.map((op) => `| \`${op}\` | ${columns.map((c) => cell(c.ops[op])).join(' | ')} |`),
];
const failures = columns.flatMap((c) =>
  Object.entries(c.ops).flatMap(([op, r]) =>
    [r.forward, r.gradient].filter((x) => x !== 'ok' && x !== 'none').map((why) => `- \`${op}\` on ${c.title}: ${why}`),
  ),
);
/** Exports that are no ops: they take a formula, or lengths. */
const HELPERS = new Set(['elementwise', 'samePadding']);
const composites = Object.entries(everyOp)
  .filter(([name, f]) => typeof f === 'function' && !opTable.has(name) && !HELPERS.has(name))
  .map(([name]) => `\`${name}\``)
  .sort();

writeFileSync(
  new URL('../docs/operations.md', import.meta.url),
  `# Operations

Written by \`npm run docs:operations\`, which runs every op and its gradient on every device of the machine. Each result is
compared with the \`reference\` device, whose gradients \`test/gradients.test.ts\` checks against finite differences in float64.

A cell shows forward, then gradient: ✓ equal within the tolerances of \`test/parity.ts\`, ✗ different, – no gradient (ids and
comparisons). On a machine without a GPU, the GPU devices run on SwiftShader, a software driver.

${table.join('\n')}

${failures.length > 0 ? `Failures:\n\n${failures.join('\n')}\n` : 'No failures.\n'}
${unavailable.length > 0 ? `Not available on the machine that wrote this:\n\n${unavailable.map((a) => `- ${a}`).join('\n')}\n` : ''}
Composed of these ops, and therefore available on every device: ${composites.join(', ')}.

## At the edges

- **Ids out of range.** On \`cpu\` and \`reference\` they are a \`ShapeError\` that names the id, its place and the range. Other
  devices would have to wait for the values: there such an id picks nothing. \`embedding\`, \`takeAlong\` and \`gather\` read 0,
  \`scatterAdd\` adds nothing, \`oneHot\` gives a row of zeros, \`crossEntropy\` a loss and gradient of 0.
- **NaN** counts as the largest value, as in PyTorch: \`max\`, \`min\`, \`maximum\`, \`clamp\` and pooling pass it on, \`argmax\`
  and \`argmin\` give the place of the first one, \`sort\` puts it last, \`topk\` first. \`nearestCode\` never takes it.
- **Values and gradients at 0, ±1, ±∞, NaN, subnormal and large numbers** are PyTorch's on \`cpu\`, \`reference\` and
  \`webasm\`; the table is \`test/core/pytorch.json\`, with the few that are meant to differ. Shader compilers may assume
  that there are no NaN and infinities, and GPUs count subnormal numbers as 0.
- **More than 2²⁴ values.** Indices stay exact on \`cpu\`, \`webasm\` and \`webgpu\`, or a \`DeviceError\` names the limit. Ids,
  and positions such as \`argmax\` returns, are at most 2²⁴: all devices hold them as float32.
`,
);
