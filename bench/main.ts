/**
 * `npm run bench -- NAME… [--json] [--threads N] [--quick]`: speed, measured beside peers where they are installed.
 * `npm run bench -- report NAME…` keeps the figures too, in docs/performance.json and docs/performance.md.
 */
import { parseArgs } from 'node:util';
import { OptionError, suggestion } from '../core/index.ts';
import { benchGemm } from './gemm.ts';
import { benchModels } from './models.ts';
import { benchOps } from './ops.ts';
import { benchPeers } from './peers.ts';
import { docs, saved, writeReport } from './report.ts';
import { benchSample } from './sample.ts';
import { benchScaling } from './scaling.ts';
import { benchStep } from './step.ts';

/** A measured row: printed as a line of JSON with --json, as text without. */
export type Row = { readonly bench: string } & Readonly<Record<string, unknown>>;
export interface BenchOptions {
  readonly threads?: number;
  /** One call of everything that is built fast: shows that it runs, and its times mean nothing. */
  readonly quick: boolean;
  readonly print: (row: Row, text: string) => void;
}

const benches: Readonly<Record<string, (options: BenchOptions) => Promise<void>>> = {
  gemm: benchGemm,
  ops: benchOps,
  step: benchStep,
  sample: benchSample,
  models: benchModels,
  peers: benchPeers,
  scaling: benchScaling,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    threads: { type: 'string' },
  },
});
const threads = values.threads === undefined ? undefined : Number(values.threads);
if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1)) {
  throw new OptionError(`bench: expected --threads as a whole number ≥ 1, got '${values.threads}'.`);
}
const keep = positionals[0] === 'report';
if (keep && values.quick) throw new OptionError('bench report: expected no --quick, whose times mean nothing.');
const asked = keep ? positionals.slice(1) : positionals;
const known = Object.keys(benches);
const unknown = asked.find((name) => !benches[name]);
if (unknown !== undefined) {
  throw new OptionError(
    `bench: expected report or some of ${known.join(', ')}, got '${unknown}'${suggestion(unknown, known)}.`,
  );
}
for (const name of asked.length > 0 ? asked : known) {
  const rows: Row[] = [];
  await benches[name]({
    ...(threads && { threads }),
    quick: values.quick,
    print: (row, text) => {
      rows.push(row);
      console.log(values.json ? JSON.stringify(row) : text);
    },
  });
  if (keep) writeReport(docs, saved(docs, { [name]: rows })); // after each, so that an interrupted run keeps what it has
}
