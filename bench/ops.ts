/** Memory-bound ops at the sizes of `bench step`, beside PyTorch: softmax, layer norm, GELU, AdamW. */
import {
  gelu,
  grad,
  layerNorm,
  mul,
  noGrad,
  openDevice,
  Rng,
  randn,
  setDefaultDevice,
  softmax,
  type Tensor,
  tensorScope,
  uniform,
} from '../core/index.ts';
import { AdamW } from '../nn/index.ts';
import type { BenchOptions } from './main.ts';
import { time } from './measure.ts';
import { torch } from './torch.ts';

const ROWS = 3104;
const WIDTH = 192;

/** Name → a function that makes one call; inputs are made once. */
function cases(rng: Rng): Record<string, () => void> {
  const x = randn([ROWS, WIDTH], rng);
  const wide = randn([ROWS, 4 * WIDTH], rng);
  const scores = randn([96 * 97, 97], rng);
  const [gain, bias] = [uniform([WIDTH], 0, 1, rng), uniform([WIDTH], 0, 1, rng)];
  const params = { weight: randn([5_300_000], rng) };
  const gradient = { weight: randn([5_300_000], rng) };
  const adam = new AdamW({ params, lr: 1e-4, weightDecay: 0.01 });
  const forward = (f: () => Tensor) => () => noGrad(f).dispose();
  /** Only the backward walk: the forward result stays recorded. */
  const backward = (f: () => Tensor, wrt: Tensor[]) => {
    const y = f();
    const seed = mul(y, 1);
    return () => {
      using _ = tensorScope();
      grad(y, wrt, { seed });
    };
  };
  return {
    'softmax forward': forward(() => softmax(scores)),
    'softmax backward': backward(() => softmax(scores), [scores]),
    'layerNorm forward': forward(() => layerNorm(x, gain, bias)),
    'layerNorm backward': backward(() => layerNorm(x, gain, bias), [x, gain, bias]),
    'gelu forward': forward(() => gelu(wide)),
    'gelu backward': backward(() => gelu(wide), [wide]),
    adamw: () => {
      using _ = tensorScope();
      adam.step(gradient);
    },
  };
}

export async function benchOps({ threads, print }: BenchOptions): Promise<void> {
  const device = await openDevice('cpu', threads ? { threads } : {});
  await device.sync();
  setDefaultDevice(device);
  const peer = torch('torch_ops.py', device.threads);
  for (const [name, call] of Object.entries(cases(new Rng(1)))) {
    const { median, spread } = await time(call, { runs: 30, warmup: 5 });
    const theirs = peer?.find((row) => row['op'] === name)?.['ms'] as number | undefined;
    const ratio = theirs === undefined ? undefined : median / theirs;
    print(
      {
        bench: 'ops',
        op: name,
        threads: device.threads,
        ms: round(median),
        spread: round(spread),
        ...(ratio && { torchMs: theirs, ratio: round(ratio) }),
      },
      `${name.padEnd(20)} ${device.threads} threads  ${median.toFixed(3).padStart(8)} ms${ratio ? `  torch ${theirs!.toFixed(3).padStart(8)} ms  ${ratio.toFixed(2)} × its time` : ''}`,
    );
  }
  if (!peer)
    print(
      { bench: 'ops-peer', peer: 'torch', absent: true },
      'torch is not installed (Debian: apt install python3-torch), so there are no ratios',
    );
}

const round = (x: number): number => Number(x.toPrecision(4));
