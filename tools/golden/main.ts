/**
 * `npm run golden -- PATH`: compares the library with golden values, in Node or in headless Chromium.
 * Exit status: 0 without a miss, 1 with one, 2 when the request makes no sense.
 */
import { Command } from 'commander';
import picocolors from 'picocolors';
import { OptionError, openDevice } from '../../core/index.ts';
import { runTool } from '../command.ts';
import type { GoldenSource } from './file.ts';
import { goldenFiles } from './folder.ts';
import { type GoldenReport, runGolden } from './index.ts';

interface Options {
  readonly device: string;
  readonly browser?: boolean;
  readonly json?: boolean;
}

async function run(paths: readonly string[], { device, browser, json }: Options): Promise<void> {
  const [path] = paths;
  if (paths.length !== 1)
    throw new OptionError(`golden: expected one file or folder, got ${paths.length}. See 'npm run golden -- --help'.`);
  const files = await goldenFiles(path);
  const reports: GoldenReport[] = [];
  const show = (report: GoldenReport): void => {
    reports.push(report);
    console.log(json ? jsonLine(report) : textLines(report));
  };
  if (browser) await (await import('./browser.ts')).runGoldenInBrowser(files, device, show);
  else await runHere(files, device, show);
  const failed = reports.filter((report) => report.status === 'fail').length;
  const where = `${reports[0].device}${browser ? ' in Chromium' : ''}`;
  if (!json) console.log(`${reports.length - failed} of ${reports.length} files without a miss on ${where}`);
  process.exitCode = failed > 0 ? 1 : 0;
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

const program = new Command('npm run golden --')
  .usage('PATH [options]')
  .description('Compares the library with golden values: safetensors files of inputs and of the results to expect.')
  .argument('[path...]', 'a .safetensors file, or a folder of them')
  .option('--device <name>', 'the device that computes', 'cpu')
  .option('--browser', 'compute in headless Chromium, on a device that the browser has')
  .option('--json', 'print a line of JSON for each file')
  .action(run);

await runTool(program, 2);
