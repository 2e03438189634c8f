/** A transformer block and a matrix product beside other JavaScript libraries; bench/peers/README.md says how to install them. */
import { milliseconds, percent, round, timing, title } from './format.ts';
import { AbsentError, ours, peer, pytorch } from './launch.ts';
import { figureOf, ratioOf, takeTurns } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { difference, type Side } from './side.ts';

interface Pair {
  readonly peer: 'torch' | 'tfjs' | 'jax' | 'js-pytorch' | 'onnxruntime';
  readonly name: 'training' | 'forward' | 'matmul';
  /** How many times as fast as the peer we should be: kept in the JSON rows. */
  readonly floor?: number;
  /** Largest relative difference of the results; default 1e-3. */
  readonly tolerance?: number;
  /** A call takes seconds: fewer rounds. */
  readonly slow?: boolean;
}

const labels = {
  training: 'block 97 × 192, batch 8: update',
  forward: 'block 97 × 192, batch 8: forward',
  matmul: 'product of 512³',
};

const pairs: readonly Pair[] = [
  { peer: 'tfjs', name: 'training', floor: 10 },
  { peer: 'jax', name: 'training', floor: 5 },
  { peer: 'js-pytorch', name: 'training', floor: 100, tolerance: 1e-2, slow: true }, // its Adam has no bias correction
  { peer: 'torch', name: 'training' },
  { peer: 'tfjs', name: 'forward' },
  { peer: 'jax', name: 'forward' },
  { peer: 'onnxruntime', name: 'forward' },
  { peer: 'torch', name: 'forward' },
  { peer: 'tfjs', name: 'matmul' },
  { peer: 'jax', name: 'matmul' },
  { peer: 'js-pytorch', name: 'matmul' },
  { peer: 'torch', name: 'matmul' },
];

export async function benchPeers(options: BenchOptions): Promise<void> {
  const chosen = options.quick ? pairs.filter(({ name }) => name === 'matmul') : pairs;
  for (const pair of chosen) await comparePeer(pair, options);
}

async function comparePeer(
  { peer: library, name, floor, tolerance, slow }: Pair,
  options: BenchOptions,
): Promise<void> {
  const { print, quick, threads = 2 } = options;
  const label = labels[name];
  const row = { bench: 'peers', case: name, label, peer: library, threads };
  const sides: Side[] = [];
  try {
    sides.push(library === 'torch' ? await pytorch('block', name, threads, 1) : await peer(library, name, threads));
    sides.push(await ours('block', name, threads));
    const [theirs, own] = sides as [Side, Side];
    const apart = difference(own, theirs, tolerance);
    const turns = slow ? { rounds: 3, sliceMs: 1 } : { rounds: 9, sliceMs: 200 };
    const [b, a] = (await takeTurns(sides, quick ? { rounds: 1, sliceMs: 1 } : turns)) as [number[], number[]];
    const [mine, other, faster] = [figureOf(a), figureOf(b), ratioOf(b, a)];
    print(
      {
        ...row,
        peerVersion: theirs.hello.version,
        ...timing(mine),
        peerMs: round(other.median),
        peerSpread: round(other.spread),
        speedup: round(faster.median),
        speedupSpread: round(faster.spread),
        ...(floor && { floor }),
        parameters: own.hello.parameters,
        difference: apart,
      },
      `${title(label, threads)}${milliseconds(mine)}  ${library.padEnd(11)}${milliseconds(other)}` +
        `  ${faster.median.toFixed(2)} × as fast ${percent(faster.spread)}  same to ${apart.toExponential(0)}`,
    );
  } catch (error) {
    if (!(error instanceof AbsentError)) throw error;
    print({ ...row, absent: error.message }, `${title(label, threads)}  ${error.message}`);
  } finally {
    for (const side of sides) await side.close();
  }
}
