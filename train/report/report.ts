/** report.html: what happened in a run, or in several, on one page. */
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { CheckpointError } from '../../core/index.ts';
import { writeFileAtomic } from '../../data/index.ts';
import { type Frame, framesOf, thinned } from '../film.ts';
import { readLog, type StageLog } from '../log.ts';
import { readResults, type StageResult } from '../results.ts';
import { RunFolder, type SavedMeta } from '../run-folder.ts';
import { type StageName, stageNames } from '../stage.ts';
import { tableCells } from '../table.ts';
import { chart, colors } from './chart.ts';
import { curveOf, figuresOf } from './curves.ts';
import { type Html, html } from './html.ts';
import { page } from './page.ts';

/** What the report reads of a run. */
interface ReportedRun {
  readonly name: string;
  readonly log: ReadonlyMap<StageName, StageLog>;
  readonly results: Readonly<Partial<Record<StageName, StageResult>>>;
  readonly metas: Readonly<Partial<Record<StageName, SavedMeta>>>;
  readonly frames: Readonly<Partial<Record<StageName, readonly Frame[]>>>;
}

/** Options of `writeReport`. */
export interface ReportOptions {
  /** Whether a training goes on: a browser then loads the page again every 20 seconds. */
  readonly live?: boolean;
}

const shownFrames = 6; // of each stage: a page of four stages has some 2 MB
const bareFigures = ['learningRate', 'gradientNorm']; // come last

/**
 * Writes a report of one run, or of several with their curves in the same charts. It is one file: curves are inline SVG,
 * pictures are data URIs.
 *
 * @param path     of the HTML file
 * @param folders  of the runs
 * @throws CheckpointError when the file cannot be written
 */
export function writeReport(path: string, folders: readonly string[], { live = false }: ReportOptions = {}): void {
  const text = reportPage(folders, { live });
  try {
    writeFileAtomic(path, [new TextEncoder().encode(text)]);
  } catch (error) {
    throw new CheckpointError(`${path}: expected to write a report, got ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** The HTML of `writeReport`. */
export function reportPage(folders: readonly string[], { live = false }: ReportOptions = {}): string {
  const runs = named(folders.map(readRun));
  return page(runs.map(({ name }) => name).join(', '), reportOf(runs, live), live ? { reload: 20 } : {});
}

function readRun(folder: string): ReportedRun {
  const run = new RunFolder(folder);
  const each = <T>(value: (stage: StageName) => T) => Object.fromEntries(stageNames.map((name) => [name, value(name)]));
  return {
    name: basename(resolve(folder)),
    log: readLog(folder),
    results: readResults(folder),
    metas: each((name) => run.readableMeta(name)),
    frames: each((name) => framesOf(folder, name)),
  };
}

/** Runs of equal names in several folders are told apart by number. */
function named(runs: readonly ReportedRun[]): ReportedRun[] {
  return runs.map((run, i) => {
    const same = runs.filter(({ name }) => name === run.name);
    return same.length === 1
      ? run
      : { ...run, name: `${run.name} (${1 + runs.slice(0, i).filter(({ name }) => name === run.name).length})` };
  });
}

function reportOf(runs: readonly ReportedRun[], live: boolean): Html {
  const stages = stageNames.filter((stage) => runs.some(({ log, metas }) => log.has(stage) || metas[stage]));
  return html`<h1>${runs.map(({ name }) => name).join(', ')}</h1>
<p class="soft">${live ? 'Training. This page is written again now and then' : 'Written'}: ${new Date().toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })}</p>
${runs.length > 1 ? legend(runs) : html`<p class="soft">${describeRun(runs[0])}</p>`}
<p class="soft">Thin lines: training, mean of neighboring updates. Lines with dots: held-out images.</p>
${runs.map((run) => resultsOf(run, runs.length > 1))}
${stages.length === 0 && html`<p>Nothing is trained yet.</p>`}
${stages.map((stage) => stageOf(stage, runs))}`;
}

const legend = (runs: readonly ReportedRun[]): Html =>
  html`<p class="legend">${runs.map((run, i) => html`<span class="entry"><span class="key c${i % colors}"></span>${run.name} <span class="soft">${describeRun(run)}</span></span><br>`)}</p>`;

/** 'preset tiny, seed 0, 3,594 images of emoji in 8 classes at 32 pixels' */
function describeRun({ metas }: ReportedRun): string {
  const meta = stageNames.map((name) => metas[name]).find((meta) => meta !== undefined);
  if (!meta) return '';
  const { preset, origin } = meta;
  const n = (count: number) => count.toLocaleString('en');
  return [
    preset && `preset ${preset}`,
    origin && `seed ${origin.seed}`,
    origin &&
      `${n(origin.data.train.count)} ${origin.data.tokens ? 'token rows' : `training and ${n(origin.data.heldOut.count)} held-out images`}${origin.data.source ? ` of ${origin.data.source.path}` : ''} in ${n(origin.data.classes.length)} classes at ${origin.data.imageSize} pixels`,
  ]
    .filter(Boolean)
    .join(', ');
}

/** The table that a training ends with. */
function resultsOf({ name, results }: ReportedRun, withName: boolean): Html | false {
  const rows = stageNames.flatMap((stage) => results[stage]?.row ?? []);
  if (rows.length === 0) return false;
  const [header, ...cells] = tableCells(rows);
  return html`<h2>Results${withName && ` of ${name}`}</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Results"><table>
<tr>${header.map((cell) => html`<th>${cell}</th>`)}</tr>
${cells.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}
</table></div>
<p class="soft">On held-out images. PSNR in dB; FD: Fréchet distance on MobileNetV2 features, not FID.</p>`;
}

function stageOf(stage: StageName, runs: readonly ReportedRun[]): Html {
  const logs = runs.flatMap(({ log }, color) => (log.has(stage) ? [{ log: log.get(stage)!, color }] : []));
  const found = [...new Set(logs.flatMap(({ log }) => figuresOf(log)))];
  const figures = [
    ...found.filter((name) => !bareFigures.includes(name)),
    ...found.filter((name) => bareFigures.includes(name)),
  ];
  const charts = figures
    .map((figure) => ({ figure, lines: logs.map(({ log, color }) => ({ ...curveOf(log, figure), color })) }))
    .filter(({ lines }) => lines.some(({ train, heldOut }) => [...train, ...heldOut].some(({ value }) => value !== 0)))
    .map(({ figure, lines }) =>
      chart(
        figure,
        lines.filter(({ train, heldOut }) => train.length + heldOut.length > 0),
      ),
    );
  return html`<h2 id="${stage}">${stage}</h2>
${runs.map((run) => progressOf(stage, run, runs.length > 1))}
${runs.map((run) => warningsOf(stage, run, runs.length > 1))}
<div class="charts">${charts}${lengthsOf(stage, runs)}</div>
${runs.map((run) => picturesOf(stage, run, runs.length > 1))}
${runs.map((run) => settingsOf(stage, run, runs.length > 1))}`;
}

/** PSNR by the number of tokens, of models of variable length. */
function lengthsOf(stage: StageName, runs: readonly ReportedRun[]): Html | false {
  const lines = runs.flatMap(({ results, metas }, color) => {
    const row = results[stage]?.row;
    const heldOut = Object.entries(row ?? {}).flatMap(([figure, value]) => {
      const tokens = /^psnr(\d+)$/.exec(figure)?.[1];
      return tokens !== undefined && typeof value === 'number' ? [{ step: Number(tokens), value }] : [];
    });
    if (heldOut.length === 0) return [];
    const { latentTokens } = (metas[stage]?.settings['model'] ?? {}) as { latentTokens?: number };
    if (latentTokens !== undefined && row?.psnr != null) heldOut.push({ step: latentTokens, value: row.psnr });
    return [{ train: [], heldOut: heldOut.sort((a, b) => a.step - b.step), color }];
  });
  return lines.length > 0 && chart('PSNR by the number of tokens', lines, 'tokens');
}

/** '3,000 of 3,000 updates in 3.1 min' */
function progressOf(stage: StageName, { name, log, metas, results }: ReportedRun, withName: boolean): Html | false {
  const last = log.get(stage)?.updates.at(-1);
  const { settings, state } = metas[stage] ?? {};
  const done = last?.step ?? state?.done;
  if (done === undefined) return false;
  const n = (count: number) => count.toLocaleString('en');
  const steps = settings?.['steps'];
  const commands = results[stage]?.commands ?? [];
  return html`<p>${withName && `${name}: `}${n(done)}${typeof steps === 'number' && ` of ${n(steps)}`} updates${last && Number.isFinite(last.seconds) && ` in ${(last.seconds / 60).toFixed(1)} min`}
${commands.map((command) => html`<br><code>${command}</code>`)}</p>`;
}

/** What the guards noticed. */
function warningsOf(stage: StageName, { name, log }: ReportedRun, withName: boolean): Html {
  const warnings = (log.get(stage)?.updates ?? []).flatMap(({ step, warning }) => (warning ? [{ step, warning }] : []));
  const run = withName ? `${name}, ` : '';
  return html`${warnings.map(({ step, warning }) => html`<p class="warning">${run}update ${step.toLocaleString('en')}: ${warning}</p>`)}`;
}

function picturesOf(stage: StageName, { name, frames }: ReportedRun, withName: boolean): Html | false {
  const shown = thinned(frames[stage] ?? [], shownFrames);
  if (shown.length === 0) return false;
  return html`<div class="pictures">${shown.map(({ step, path }) => {
    const png = pictureAt(path);
    const text = `${withName ? `${name}, ` : ''}${stage} after update ${step.toLocaleString('en')}`;
    return (
      png !== undefined &&
      html`<figure><img src="data:image/png;base64,${png.toString('base64')}" alt="${text}"><figcaption>${text}</figcaption></figure>`
    );
  })}</div>`;
}

/** A file's bytes; undefined when a training has deleted it since it was listed. */
function pictureAt(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function settingsOf(stage: StageName, { name, metas }: ReportedRun, withName: boolean): Html | false {
  const meta = metas[stage];
  return (
    meta !== undefined &&
    html`<details><summary>Settings${withName && ` of ${name}`}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Settings"><table class="settings">${flattened(meta.settings).map(([setting, value]) => html`<tr><td>${setting}</td><td>${value}</td></tr>`)}</table></div></details>`
  );
}

/** { weights: { l2: 1 } } → [['weights.l2', '1']] */
function flattened(value: unknown, path: readonly string[] = []): [name: string, value: string][] {
  const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isGroup) return [[path.join('.'), typeof value === 'string' ? value : (JSON.stringify(value) ?? '')]];
  return Object.entries(value).flatMap(([name, inner]) => flattened(inner, [...path, name]));
}
