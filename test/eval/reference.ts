/**
 * What numpy says about metrics: `npx tsx test/eval/reference.ts` writes reference.json. The inputs come from a seed, so that
 * the values can be compared where there is no numpy.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Rng } from '../../core/index.ts';

const at = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** What reference.py prints. */
export interface Reference {
  readonly overlap: Readonly<Record<'precision' | 'recall' | 'density' | 'coverage', number>>;
  readonly overlapOfOtherNeighbors: Reference['overlap'];
  readonly ssim: readonly number[];
  readonly frechet: number;
  readonly scores: readonly number[];
  readonly balancedAccuracy: number;
  readonly inverseTemperature: number;
  readonly inceptionScore: number;
}

const [dim, classes, images, channels, height, width] = [5, 3, 3, 2, 14, 17];
const round = (x: number) => Number(x.toFixed(6));

/** Two clouds of different size, spread and count, with labels; images and what a tokenizer could have made of them. */
export function inputs() {
  const rng = new Rng(11);
  const labels = Array.from({ length: 83 }, () => rng.int(classes));
  const real = labels.flatMap((label) =>
    Array.from({ length: dim }, (_, d) => round(rng.normal() + (d === label ? 1.5 : 0))),
  );
  const generated = Array.from({ length: 70 * dim }, () => round(0.8 * rng.normal() + 0.3));
  const values = images * channels * height * width;
  const originals = Array.from({ length: values }, (_, i) => round((0.5 + 0.5 * Math.sin(i / 9)) * rng.uniform()));
  const others = originals.map((x) => round(x + 0.2 * rng.normal())); // some beyond 0..1
  return { dim, classes, labels, real, generated, shape: [images, channels, height, width], originals, others };
}

/** The committed values. */
export const committed = (): Reference => JSON.parse(readFileSync(at('reference.json'), 'utf8')) as Reference;

/** Why reference.py cannot run here; undefined when it can. */
export function withoutNumpy(): string | undefined {
  const { status } = spawnSync('python3', ['-c', 'import numpy']);
  return status === 0 ? undefined : 'python3 with numpy is not installed';
}

/** Runs reference.py. */
export function fromNumpy(): Reference {
  const { labels, real, generated, shape, originals, others } = inputs();
  const nested = (values: readonly number[], [first, ...rest]: readonly number[]): unknown[] => {
    const each = values.length / first;
    const parts = Array.from({ length: first }, (_, i) => values.slice(i * each, (i + 1) * each));
    return rest.length === 0 ? parts.flat() : parts.map((part) => nested(part, rest));
  };
  const input = JSON.stringify({
    classes,
    labels,
    real: nested(real, [labels.length, dim]),
    generated: nested(generated, [generated.length / dim, dim]),
    images: nested(originals, shape),
    others: nested(others, shape),
  });
  const { status, stdout, stderr } = spawnSync('python3', [at('reference.py')], { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`reference.py: ${stderr}`);
  return JSON.parse(stdout) as Reference;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(at('reference.json'), `${JSON.stringify(fromNumpy(), null, 2)}\n`);
