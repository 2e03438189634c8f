/** `titok plot RUN`: curves in the terminal. */
import type { Command } from 'commander';
import pc from 'picocolors';
import { OptionError, suggestion } from '../../core/index.ts';
import { count, curveOf, figuresOf, group, oneOf, readLog, type StageLog, stageNames } from '../../train/index.ts';
import { drawPlot } from '../braille.ts';
import { addSettings, readSettings } from '../options.ts';
import { shownRun } from '../runs.ts';

const plotSettings = group({
  stage: oneOf(stageNames, stageNames[0], 'whose curve is drawn'),
  width: count(80, 'columns', { least: 20, most: 1000 }),
  height: count(14, 'lines of the curve', { least: 2, most: 200 }),
});
const fallbacks: Readonly<Record<string, string>> = {
  stage: 'default: each that the run has',
  width: "default: the terminal's, else 80",
  height: 'default 14',
};

interface PlotGiven {
  readonly stage?: (typeof stageNames)[number];
  readonly metric?: string;
  readonly width?: number;
}

export function addPlot(program: Command): void {
  const command = program
    .command('plot')
    .description('Draws the curves of a run in the terminal.')
    .argument('<run>', 'folder in runs/')
    .option('--metric <name>', 'figure of the log, such as crossEntropy or psnr', 'loss')
    .action((name: string, given: PlotGiven) => {
      const folder = shownRun(name);
      const { height, width } = readSettings(plotSettings, { width: terminalWidth() }, { ...given });
      const logs = [...readLog(folder)].filter(([stage]) => given.stage === undefined || stage === given.stage);
      if (logs.length === 0 && given.stage === undefined)
        throw new OptionError(`run: expected a log with curves, got ${folder} without one (log.jsonl).`);
      if (logs.length === 0) {
        const there = [...readLog(folder).keys()].join(', ') || 'none';
        throw new OptionError(`--stage: expected one of ${there}, which ${folder} has a log of, got ${given.stage}.`);
      }
      const { metric = 'loss' } = given;
      const drawn = logs.filter(([, log]) => figuresOf(log).includes(metric));
      if (drawn.length === 0) throw unknownMetric(metric, logs);
      const plots = drawn.map(([stage, log]) => {
        const lines = drawPlot(curveOf(log, metric), { title: `${stage}: ${metric}`, width, height });
        return [pc.bold(lines[0]), ...lines.slice(1)].join('\n');
      });
      console.log(plots.join('\n\n'));
    });
  addSettings(command, plotSettings, ({ path: [name] }) => fallbacks[name]);
}

const terminalWidth = (): number => Math.min(1000, Math.max(20, process.stdout.columns || 80));

function unknownMetric(metric: string, logs: readonly (readonly [string, StageLog])[]): OptionError {
  const names = [...new Set(logs.flatMap(([, log]) => figuresOf(log)))];
  return new OptionError(`--metric: expected one of ${names.join(', ')}, got '${metric}'${suggestion(metric, names)}.`);
}
