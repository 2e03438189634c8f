/** Growth of time against growth of work: a transformer block, forward and backward, by tokens, batch and width. */
import { milliseconds, percent, round, timing, title } from './format.ts';
import { ours } from './launch.ts';
import { figureOf, ratioOf, takeTurns } from './measure.ts';
import type { BenchOptions } from './options.ts';
import type { Side } from './side.ts';

interface Size {
  readonly tokens: number;
  readonly batch: number;
  readonly width: number;
}
const usual: Size = { tokens: 97, batch: 8, width: 192 };
const axes: Readonly<Record<keyof Size, readonly number[]>> = {
  tokens: [32, 64, 128, 256],
  batch: [1, 4, 16, 64],
  width: [128, 256, 384, 512],
};

/** Operations of a block. Forward: 24 D² (projections) + 4 T D (attention) per token; backward: twice that. */
const flops = ({ tokens: T, batch, width: D }: Size): number => 3 * batch * T * (24 * D ** 2 + 4 * T * D);

export async function benchScaling({ threads = 2, quick, print }: BenchOptions): Promise<void> {
  const all = Object.entries(axes) as [keyof Size, readonly number[]][];
  for (const [axis, values] of quick ? all.slice(0, 1) : all) {
    const sizes = (quick ? values.slice(0, 2) : values).map((value): Size => ({ ...usual, [axis]: value }));
    const sides: Side[] = [];
    try {
      for (const { batch, tokens, width } of sizes) {
        sides.push(await ours('scaling', `${batch}x${tokens}x${width}`, threads));
      }
      const times = await takeTurns(sides, quick ? { rounds: 1, sliceMs: 1 } : { rounds: 9, sliceMs: 200 });
      for (const [i, size] of sizes.entries()) {
        const time = figureOf(times[i]);
        const growth = ratioOf(times[i], times[0]);
        const work = flops(size) / flops(sizes[0]);
        const label = `block, ${axis} ${size[axis]}`;
        const rate = flops(size) / time.median / 1e6;
        print(
          {
            bench: 'scaling',
            case: axis,
            label,
            threads,
            [axis]: size[axis],
            ...timing(time),
            gflop: round(flops(size) / 1e9),
            gflops: round(rate),
            timeGrowth: round(growth.median),
            timeGrowthSpread: round(growth.spread),
            workGrowth: round(work),
            ratio: round(growth.median / work),
            floor: 1,
          },
          `${title(label, threads)}${milliseconds(time)}  ${rate.toFixed(1).padStart(6)} GFLOP/s` +
            `  time × ${growth.median.toFixed(2)} ${percent(growth.spread)}, work × ${work.toFixed(2)}`,
        );
      }
    } finally {
      for (const side of sides) await side.close();
    }
  }
}
