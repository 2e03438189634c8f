/** `npm run bench -- NAME… [--json] [--threads N] [--quick]`: speed, measured beside peers where they are installed. */
import { parseArgs } from 'node:util';
import { suggestion } from '../nn/index.ts';
import { OptionError } from '../titok/index.ts';
import { benchGemm } from './gemm.ts';
import { benchModels } from './models.ts';
import { benchOps } from './ops.ts';
import { benchPeers } from './peers.ts';
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
const names = positionals.length > 0 ? positionals : Object.keys(benches);
for (const name of names) {
  const bench = benches[name];
  if (!bench)
    throw new OptionError(
      `bench: expected one of ${Object.keys(benches).join(', ')}, got '${name}'${suggestion(name, Object.keys(benches))}.`,
    );
  await bench({
    ...(values.threads !== undefined && { threads: Number(values.threads) }),
    quick: values.quick,
    print: (row, text) => console.log(values.json ? JSON.stringify(row) : text),
  });
}
