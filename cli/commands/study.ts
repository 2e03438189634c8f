/** `titok study NAME`: a figure or a table of the paper, trained, measured and judged again. */
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import { OptionError, suggestion } from '../../core/index.ts';
import { type BudgetName, budgets, runStudy, type Study, studies } from '../../studies/index.ts';
import { count, group, oneOf } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { quoted } from '../made-by.ts';
import { addSettings, byDefault, type Given, readSettings } from '../options.ts';
import { trainToEnd } from '../training.ts';

const studySettings = () =>
  group({
    preset: oneOf(Object.keys(budgets) as BudgetName[], 'tiny', 'how much is spent on each row'),
    seeds: count(3, 'trainings of each row; verdicts need 3', { most: 100 }),
  });

interface StudyGiven extends Given {
  readonly list: boolean;
  readonly data: string;
  readonly out: string;
  readonly resume: boolean;
  readonly overwrite: boolean;
}

export function addStudy(program: Command): void {
  const command = program
    .command('study')
    .description('Repeats a figure or a table of the paper: trains its rows, measures them and judges its claims.')
    .argument('[study]', `${Object.keys(studies).join(', ')}, or all`)
    .option('--list', 'say what there is', false)
    .option('--data <folder>', "'emoji', a folder of pictures, or data files", 'emoji')
    .option('--out <folder>', 'for the page, the charts and the figures', join('docs', 'studies'))
    .option('--resume', 'keep figures that are there, and measure what is missing', false)
    .option('--overwrite', 'measure everything again; trainings that are finished are not repeated', false);
  addSettings(addDeviceOptions(command, 'high'), studySettings(), byDefault).action(
    async (name: string | undefined, given: StudyGiven) => {
      if (given.list) return console.log(listOf(Object.values(studies)));
      const { resume, overwrite } = given;
      if (resume && overwrite)
        throw new OptionError('--overwrite: expected one of --resume and --overwrite, got both. Choose one.');
      const chosen = studiesOf(name);
      const { preset, seeds } = readSettings(studySettings(), {}, given);
      const { threads } = await openGivenDevice(given, 'high');
      const machine = `${cpus()[0].model.trim()}, ${threads} thread${threads === 1 ? '' : 's'}`;
      for (const study of chosen) {
        const { claims } = await runStudy(study, {
          ...{ preset, seeds, resume, overwrite, machine },
          ...{ data: given.data, out: given.out, runs: join('runs', 'studies') },
          command: commandOf(study, given, preset, seeds),
          notify: (message) => console.log(message),
          train: trainToEnd,
        });
        for (const { says, verdict } of claims) console.log(`${study.name}: ${says}: ${pc.bold(verdict)}`);
        console.log(`Look at ${pc.bold(join(given.out, `${study.name}.md`))}.`);
      }
    },
  );
}

/** @throws OptionError for a study that there is not */
function studiesOf(name: string | undefined): readonly Study[] {
  const names = Object.keys(studies);
  if (name === 'all') return Object.values(studies);
  if (name !== undefined && Object.hasOwn(studies, name)) return [studies[name]];
  throw new OptionError(
    `titok study: expected one of ${names.join(', ')}, or all, got ${name === undefined ? 'nothing' : `'${name}'`}${suggestion(name ?? '', names)}. See 'titok study --list'.`,
  );
}

/** The command for one study, as its page tells it. */
function commandOf({ name }: Study, { data }: StudyGiven, preset: BudgetName, seeds: number): string {
  return `titok study ${name} --preset ${preset} --seeds ${seeds}${data === 'emoji' ? '' : ` --data ${quoted(data)}`}`;
}

/** 'tokens  More tokens, larger models (figure 4 of arXiv:2406.07550)' */
function listOf(all: readonly Study[]): string {
  const width = Math.max(...all.map(({ name }) => name.length));
  return all.map(({ name, title, source }) => `${name.padEnd(width)}  ${title} (${source})`).join('\n');
}
