/** `npm run bench -- NAME…`: the speed of this library, beside PyTorch and other libraries where they are installed. */
import { Command } from 'commander';
import { expectOption, OptionError, suggestion } from '../core/index.ts';
import { benchGemm } from './gemm.ts';
import { benchModels } from './models.ts';
import { benchOps } from './ops.ts';
import type { Bench, Row } from './options.ts';
import { benchPeers } from './peers.ts';
import { addToReport, docs } from './report.ts';
import { benchSample } from './sample.ts';
import { benchScaling } from './scaling.ts';
import { benchStep } from './step.ts';

const benches: Readonly<Record<string, Bench>> = {
  gemm: benchGemm,
  ops: benchOps,
  step: benchStep,
  sample: benchSample,
  models: benchModels,
  peers: benchPeers,
  scaling: benchScaling,
};
const known = Object.keys(benches);

interface Options {
  readonly threads?: number;
  readonly json?: boolean;
  readonly quick?: boolean;
}

function count(text: string): number {
  const n = Number(text);
  expectOption(Number.isInteger(n) && n >= 1, 'bench', '--threads as a whole number ≥ 1', `'${text}'`);
  return n;
}

async function run(names: readonly string[], { json, quick = false, threads }: Options): Promise<void> {
  const report = names[0] === 'report';
  expectOption(!(report && quick), 'bench report', 'no --quick', '--quick', 'Quick times mean nothing.');
  const chosen = report ? names.slice(1) : names;
  for (const name of chosen) {
    const repair = suggestion(name, [...known, 'report']);
    expectOption(known.includes(name), 'bench', `report or some of ${known.join(', ')}`, `'${name}'${repair}`);
  }
  for (const name of chosen.length > 0 ? chosen : known) {
    const rows: Row[] = [];
    await benches[name]({
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
  .argument('[names...]', `which benchmarks: ${known.join(', ')}; none: all`)
  .option('--threads <n>', 'number of threads; default: what each benchmark compares', count)
  .option('--json', 'print a line of JSON for each row')
  .option('--quick', 'one short call per row, to see that a benchmark works; its times mean nothing')
  .addHelpText('after', "\n'bench report NAMES…' also writes the figures to docs/performance.md.")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'bench: ').replace(/\n\((Did you mean .*)\)/, '. $1')),
  })
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof OptionError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
