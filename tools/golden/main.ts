/** npm run golden -- DIR: the library against golden values, in Node or in headless Chromium; exit status 1 on a miss. */
import { parseArgs } from 'node:util';
import picocolors from 'picocolors';
import { openDevice } from '../../core/index.ts';
import type { GoldenSource } from './file.ts';
import { goldenFiles } from './folder.ts';
import { type GoldenReport, runGolden } from './index.ts';

const usage = 'usage: npm run golden -- DIR [--device NAME] [--browser] [--json]';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      device: { type: 'string', default: 'cpu' },
      browser: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [folder, ...rest] = positionals;
  if (!folder || rest.length > 0) throw new Error(`golden: expected one folder, got ${positionals.length}.\n${usage}`);
  const files = await goldenFiles(folder);
  if (files.length === 0) throw new Error(`golden: expected .safetensors files in ${folder}, got none.`);
  const reports: GoldenReport[] = [];
  const show = (report: GoldenReport): void => {
    reports.push(report);
    console.log(values.json ? jsonLine(report) : textLines(report));
  };
  if (values.browser) await (await import('./browser.ts')).runGoldenInBrowser(files, values.device, show);
  else await runHere(files, values.device, show);
  const failed = reports.filter((report) => report.status === 'fail').length;
  const where = `${reports[0].device}${values.browser ? ' in Chromium' : ''}`;
  if (!values.json) console.log(`${reports.length - failed} of ${reports.length} files without a miss on ${where}`);
  return failed > 0 ? 1 : 0;
}

async function runHere(files: readonly GoldenSource[], name: string, show: (r: GoldenReport) => void): Promise<void> {
  const device = await openDevice(name);
  try {
    for (const file of files) show(await runGolden(file, device));
  } finally {
    await device.close();
  }
}

function jsonLine({ file, device, compared, worst, status, unsupported }: GoldenReport): string {
  // JSON has no infinity: a result of the wrong shape, not finite, or an integer that differs
  return JSON.stringify({ file, device, compared, worst: Number.isFinite(worst) ? worst : 1e308, status, unsupported });
}

function textLines({ file, compared, values, worst, worstKey, status, unsupported, misses }: GoldenReport): string {
  const color = { pass: picocolors.green, fail: picocolors.red, unsupported: picocolors.yellow }[status];
  const head = `${color(status.padEnd(11))} ${file.padEnd(24)} ${String(compared).padStart(4)} tensors ${String(values).padStart(7)} values`;
  return [
    compared > 0 ? `${head}   worst ${worst.toExponential(1)}${worstKey && ` in ${worstKey}`}` : head,
    ...shortened(misses.map(({ key, message }) => `miss ${key}: ${message}`)),
    ...shortened(unsupported.map((what) => `unsupported ${what}`)),
  ].join('\n    ');
}

function shortened(lines: readonly string[], most = 12): string[] {
  return lines.length <= most ? [...lines] : [...lines.slice(0, most), `and ${lines.length - most} more`];
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
