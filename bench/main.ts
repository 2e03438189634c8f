/** `npm run bench -- NAME…`: the speed of this library, beside PyTorch and other libraries where they are installed. */
import { Command } from 'commander';
import { expectOption, mostThreads, suggestion } from '../core/index.ts';
import { count, fromText, group, settingsOf } from '../train/index.ts';
import { benchDevices } from './devices.ts';
import { benchGemm } from './gemm.ts';
import { benchModels } from './models.ts';
import { benchOps } from './ops.ts';
import type { Bench, Row } from './options.ts';
import { benchPeers } from './peers.ts';
import { addToReport, docs, previousFigures } from './report.ts';
import { benchSample } from './sample.ts';
import { benchScaling } from './scaling.ts';
import { benchStep } from './step.ts';
import { benchStreaming } from './streaming.ts';

const benches: Readonly<Record<string, Bench>> = {
  gemm: benchGemm,
  ops: benchOps,
  step: benchStep,
  sample: benchSample,
  models: benchModels,
  peers: benchPeers,
  scaling: benchScaling,
};
/** Benchmarks of a machine or of a promise. They run only when they are named, and are not in the report. */
const single: Readonly<Record<string, Bench>> = { devices: benchDevices, streaming: benchStreaming };
const compared = Object.keys(benches);
const known = [...compared, ...Object.keys(single)];

interface Options {
  readonly threads?: number;
  readonly json?: boolean;
  readonly quick?: boolean;
}

const [threadsSetting] = settingsOf(group({ threads: count(1, 'threads', { most: mostThreads() }) }));

async function run(names: readonly string[], { json, quick = false, threads }: Options): Promise<void> {
  const report = names[0] === 'report';
  expectOption(!(report && quick), 'bench report', 'no --quick', '--quick', 'Quick times mean nothing.');
  const chosen = report ? names.slice(1) : names;
  const possible = report ? compared : known;
  for (const name of chosen) {
    const repair = suggestion(name, [...possible, 'report']);
    expectOption(possible.includes(name), 'bench', `report or some of ${possible.join(', ')}`, `'${name}'${repair}`);
  }
  if (report) previousFigures(docs); // throws now, and not after minutes of measuring
  for (const name of chosen.length > 0 ? chosen : compared) {
    const rows: Row[] = [];
    await { ...benches, ...single }[name]({
      ...(threads && { threads }),
      quick,
      print: (row, text) => {
        rows.push(row);
        console.log(json ? JSON.stringify(row) : text);
      },
    });
    if (report) addToReport(docs, { [name]: rows }); // after each, so that Ctrl-C loses only the one that runs
  }
}

const program = new Command('bench')
  .description('Measures speed and memory, beside PyTorch and other libraries where they are installed.')
  .argument('[names...]', `which benchmarks: ${known.join(', ')}; none: all but devices and streaming`)
  .option('--threads <n>', 'number of threads; default: what each benchmark compares', (text) =>
    Number(fromText(threadsSetting, '--threads', text)),
  )
  .option('--json', 'print a line of JSON for each row')
  .option('--quick', 'some rows, with one short call each, to see that a benchmark works; their times mean nothing')
  .addHelpText('after', "\n'bench devices' tries every device of this machine: adapter, golden values, speed.")
  .addHelpText(
    'after',
    "\n'bench streaming' trains on 50,000 pictures as a stream: speed, memory, and 20 kills. Half an hour.",
  )
  .addHelpText('after', "\n'bench report NAMES…' also writes the figures to docs/performance.md.")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'bench: ').replace(/\n\((Did you mean .*)\)/, '. $1')),
  })
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
