/**
 * `npm run docs:results -- RUN`: writes the results of runs/RUN/metrics.json into README.md, between its two markers, so
 * that every figure there comes from a run.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const markers = { begin: '<!-- results -->', end: '<!-- /results -->' };

/** The part of a run's metrics.json that the table shows. */
export interface Metrics {
  readonly preset: string;
  readonly seed: number;
  readonly device: string;
  readonly threads: number;
  readonly seconds: number;
  /** Images that were judged. */
  readonly heldOut: number;
  readonly stages: readonly {
    readonly name: string;
    readonly steps: number;
    readonly seconds: number;
    readonly imagesPerSecond: number;
    readonly loss: number;
    readonly psnr: number | null;
    readonly codesUsed: number | null;
    readonly perplexity: number | null;
    readonly fd: number | null;
  }[];
}

/** The table in Markdown, with the command that printed it. */
export function resultsTable(
  { preset, seed, device, threads, seconds, heldOut, stages }: Metrics,
  run: string,
): string {
  const figure = (x: number | null, digits: number) => (x === null ? '–' : x.toFixed(digits));
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    row(['stage', 'steps', 'seconds', 'images/s', 'loss', 'PSNR (dB)', 'codes', 'perplexity', 'FD']),
    row(['---', ...new Array<string>(8).fill('--:')]),
    ...stages.map((s) =>
      row([
        s.name,
        String(s.steps),
        figure(s.seconds, 0),
        figure(s.imagesPerSecond, 0),
        figure(s.loss, 3),
        figure(s.psnr, 2),
        figure(s.codesUsed, 0),
        figure(s.perplexity, 0),
        figure(s.fd, 1),
      ]),
    ),
    '',
    `Preset \`${preset}\`, seed ${seed}, device ${device}, ${threads} threads, ${(seconds / 60).toFixed(1)} minutes in all; ` +
      `${heldOut} held-out emoji. Written by \`npm run docs:results -- ${run}\` from \`runs/${run}/metrics.json\`.`,
  ].join('\n');
}

/** `page` with `text` between the markers. */
export function withResults(page: string, text: string): string {
  const [from, to] = [page.indexOf(markers.begin), page.indexOf(markers.end)];
  if (from < 0 || to < from) {
    throw new Error(`docs:results: expected the markers ${markers.begin} and ${markers.end}, got a page without them.`);
  }
  return `${page.slice(0, from + markers.begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const run = process.argv[2] ?? 'quickstart';
  const readme = fileURLToPath(new URL('../README.md', import.meta.url));
  const metrics = JSON.parse(
    readFileSync(fileURLToPath(new URL(`../runs/${run}/metrics.json`, import.meta.url)), 'utf8'),
  );
  writeFileSync(readme, withResults(readFileSync(readme, 'utf8'), resultsTable(metrics as Metrics, run)));
}
