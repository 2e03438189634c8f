/**
 * `npm run docs:results -- RUN`: writes the results of runs/RUN/metrics.json between the two markers in README.md and copies
 * the run's pictures to docs/images/, so that everything README.md shows comes from one run.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { runTool } from '../tools/command.ts';
import { type StageRow, tableCells } from '../train/index.ts';

export const markers = { begin: '<!-- results -->', end: '<!-- /results -->' };

/** The part of a run's metrics.json that README.md shows. */
export interface Metrics {
  readonly preset: string;
  readonly seed: number;
  readonly device: string;
  readonly threads: number;
  readonly matmulPrecision?: string;
  readonly seconds: number;
  /** Number of held-out images. */
  readonly heldOut: number;
  readonly stages: readonly StageRow[];
}

/** The results table in Markdown, followed by a line on the run. */
export function resultsTable(
  { preset, seed, device, threads, matmulPrecision, seconds, heldOut, stages }: Metrics,
  run: string,
): string {
  const [header, ...rows] = tableCells(stages).map((cells) => `| ${cells.join(' | ')} |`);
  return [
    header.replace('PSNR', 'PSNR (dB)'),
    `| --- |${' --: |'.repeat(8)}`,
    ...rows,
    '',
    `Preset \`${preset}\`, seed ${seed}, device ${device}, ${threads} threads, ${matmulPrecision ? `matmul precision ${matmulPrecision}, ` : ''}${(seconds / 60).toFixed(1)} minutes in total; ` +
      `${heldOut} held-out emoji. Written by \`npm run docs:results -- ${run}\` from \`runs/${run}/metrics.json\`.`,
  ].join('\n');
}

/** Replaces the text between the markers of a page. */
export function withResults(page: string, text: string, { begin, end } = markers): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`docs: expected the markers ${begin} and ${end}, got a page without them.`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}

function run(name: string): void {
  const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
  const metrics = JSON.parse(readFileSync(at(`runs/${name}/metrics.json`), 'utf8')) as Metrics;
  const page = readFileSync(at('README.md'), 'utf8');
  writeFileSync(at('README.md'), withResults(page, resultsTable(metrics, name)));
  for (const picture of ['reconstructions.png', 'samples.png']) {
    copyFileSync(at(`runs/${name}/${picture}`), at(`docs/images/${picture}`));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runTool(
    new Command('npm run docs:results --')
      .description("Writes a run's results into README.md and copies its pictures to docs/images/.")
      .argument('[run]', 'folder in runs/', 'quickstart')
      .action(run),
  );
}
