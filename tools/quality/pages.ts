/** Where results are kept: docs/quality.json, the table and charts of docs/what-to-expect.md, and train/usual.ts. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { presets } from '../../train/index.ts';
import { bandCharts } from './chart.ts';
import { median, type Results } from './results.ts';

type All = Readonly<Record<string, Results>>;

/** Replaces the results of a preset, and writes everything that follows from all of them. */
export function addResults(root: string, results: Results): void {
  const at = (path: string) => join(root, path);
  const path = at('docs/quality.json');
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as All) : {};
  const known = { ...before, [results.preset]: results };
  const all: All = Object.fromEntries(
    Object.keys(presets).flatMap((name) => (known[name] ? [[name, known[name]]] : [])),
  );
  writeFileSync(path, `${JSON.stringify(all, null, 1)}\n`);
  writeFileSync(at(`docs/images/curves-${results.preset}.svg`), bandCharts(results));
  const page = at('docs/what-to-expect.md');
  writeFileSync(page, withTable(readFileSync(page, 'utf8'), qualityTable(all)));
  writeFileSync(at('train/usual.ts'), usualModule(all));
  spawnSync('npx', ['biome', 'format', '--write', 'docs/quality.json', 'train/usual.ts'], { cwd: root });
}

export const markers = { begin: '<!-- quality -->', end: '<!-- /quality -->' };

/** Replaces the text between the markers of a page. */
export function withTable(page: string, text: string): string {
  const [from, to] = [page.indexOf(markers.begin), page.indexOf(markers.end)];
  if (from < 0 || to < from) throw new Error(`quality: expected the markers ${markers.begin} and ${markers.end}.`);
  return `${page.slice(0, from + markers.begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}

const probed = ({ stages }: Results): string | undefined => {
  const { probe, probeReal } = stages['generator']?.figures ?? {};
  if (!probe || !probeReal) return undefined;
  return `A linear probe that has learned the classes from training pictures puts ${cell(probe, 2)} of the samples into the class that they were asked for, and ${cell(probeReal, 2)} of held-out pictures into theirs (means over classes).`;
};

const columns = [
  ['loss', 'loss', 3],
  ['psnr', 'PSNR (dB)', 2],
  ['fd', 'FD', 1],
  ['codesUsed', 'codes', 0],
  ['perplexity', 'perplexity', 0],
] as const;

/** A row for each stage of each preset: the median of its seeds, and the range if there are several. */
export function qualityTable(all: All): string {
  const rows = Object.values(all).flatMap(({ preset, stages }) =>
    Object.entries(stages).map(([stage, { updates, figures }]) => {
      const cells = columns.map(([figure, , digits]) => cell(figures[figure], digits));
      return `| ${preset} | ${stage} | ${updates} | ${cells.join(' | ')} |`;
    }),
  );
  const notes = Object.values(all).map((results) => {
    const { preset, seeds, machine } = results;
    const trained = `\`${preset}\`: ${seeds.length === 1 ? `seed ${seeds[0]}` : `median of ${seeds.length} seeds (lowest–highest)`}; ${machine}.`;
    return [trained, probed(results)].filter(Boolean).join(' ');
  });
  return [
    `| preset | stage | updates | ${columns.map(([, title]) => title).join(' | ')} |`,
    `| --- | --- |${' --: |'.repeat(columns.length + 1)}`,
    ...rows,
    '',
    ...notes.flatMap((note) => [note, '']),
    'Loss: of stage 1 the cross-entropy on held-out pictures, of the others the mean of the last 50 updates. FD: Fréchet distance on 96 MobileNetV2 features of held-out emoji at 96 pixels, not FID. ' +
      'Written by `npm run quality` from `docs/quality.json`.',
  ].join('\n');
}

function cell(values: readonly number[] | undefined, digits: number): string {
  if (!values) return '–';
  const middle = median(values).toFixed(digits);
  const [low, high] = [Math.min(...values).toFixed(digits), Math.max(...values).toFixed(digits)];
  return low === high ? middle : `${middle} (${low}–${high})`;
}

/** Figures that a training is compared with, and by which share of it seeds may differ where few were trained. */
const compared = { loss: 0.025, psnr: 0.02, fd: 0.08 };

/** Of several seeds, the range and half as much again on both sides: seeds differ more than three of them show. */
function usualModule(all: All): string {
  const ranges = Object.values(all).map(({ preset, stages }) => [
    preset,
    Object.fromEntries(
      Object.entries(stages).map(([stage, { figures }]) => [
        stage,
        Object.fromEntries(
          Object.entries(compared).flatMap(([name, share]) =>
            figures[name] ? [[name, usualRange(figures[name], share)]] : [],
          ),
        ),
      ]),
    ),
  ]);
  return [
    '/** What trainings with the presets end with. Written by `npm run quality`. */',
    'import type { PresetName } from "./presets.ts";',
    'import type { StageName } from "./stage.ts";',
    '',
    '/** Lowest and highest usual value of a figure: `usual.tiny?.warmup?.psnr`. */',
    'export const usual: Partial<Record<PresetName, Partial<Record<StageName, Readonly<Record<string, readonly [low: number, high: number]>>>>>> =',
    `  ${JSON.stringify(Object.fromEntries(ranges), null, 2)};`,
    '',
  ].join('\n');
}

function usualRange(values: readonly number[], share: number): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = Math.max(0.5 * (high - low), share * Math.abs(median(values)));
  return [Number((low - margin).toPrecision(4)), Number((high + margin).toPrecision(4))];
}
