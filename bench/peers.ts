/** One transformer block and one matrix product beside other JavaScript libraries, which bench/peers installs on demand. */
import type { BenchOptions } from './main.ts';
import { difference, figureOf, percent, ratioOf, round, takeTurns } from './measure.ts';
import { AbsentError, ours, peer, pytorch, type Side } from './side.ts';
import { milliseconds, timing, title } from './versus.ts';

interface Pair {
  readonly peer: 'torch' | 'tfjs' | 'jax' | 'js-pytorch' | 'onnxruntime';
  readonly name: 'training' | 'forward' | 'matmul';
  /** How many times as fast we must be. */
  readonly floor?: number;
  /** How far the numbers may lie apart. */
  readonly tolerance?: number;
  /** A call takes many seconds. */
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
  for (const pair of chosen) await beside(pair, options);
}

async function beside({ peer: library, name, floor, tolerance, slow }: Pair, options: BenchOptions): Promise<void> {
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
        `  ${faster.median.toFixed(2)} × as fast ${percent(faster.spread)}` +
        `${floor ? `, floor ≥ ${floor} ${faster.median >= floor ? 'met' : 'missed'}` : ''}  same to ${apart.toExponential(0)}`,
    );
  } catch (error) {
    if (!(error instanceof AbsentError)) throw error;
    print({ ...row, absent: error.message }, `${title(label, threads)}  ${error.message}`);
  } finally {
    for (const side of sides) await side.close();
  }
}
