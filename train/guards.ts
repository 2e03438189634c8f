/** Notices while a stage trains that it has collapsed, from the figures of its updates. */
import type { StageName } from './stage.ts';
import type { StepReport } from './training.ts';

/** What a collapse looks like in the mean of a figure over 50 updates. */
interface Guard {
  readonly stages: readonly StageName[];
  readonly figure: string;
  /** Updates before which a training may look like this. */
  readonly after: number;
  /** Training pictures below which it may look like this: one, learned by heart, has one row of codes. */
  readonly pictures?: number;
  isBad(mean: number): boolean;
  /** One sentence for what is seen, one for what helps. */
  message(mean: number): string;
}

const window = 50;
const percent = (share: number) => `${(100 * share).toPrecision(2)} %`;

const guards: readonly Guard[] = [
  {
    stages: ['warmup', 'single'],
    figure: 'spread',
    after: 120,
    pictures: 2,
    isBad: (mean) => mean < 0.005,
    message: (mean) =>
      `the latents of all pictures are nearly the same (they differ by ${percent(mean)}), so tokens cannot tell pictures apart. ` +
      'Train with --optimizer muon and --model-init fan-in, or with half the --learning-rate.',
  },
  {
    stages: ['warmup', 'single'],
    figure: 'codeUse',
    after: window,
    pictures: 2,
    isBad: (mean) => mean < 0.05,
    message: (mean) =>
      `nearly all latents of a batch have the same few codes (${percent(mean)} of as many as there could be). ` +
      'Train with more --continuous-steps, and with --codebook average, or with --model-quantizer fsq.',
  },
  {
    stages: ['teacher', 'finetune', 'single'],
    figure: 'margin',
    after: window,
    isBad: (mean) => mean > 2, // where both hinge losses can be 0; ordinary runs of preset small end between 0.8 and 1.8
    message: (mean) =>
      `the discriminator tells every reconstruction from a picture (margin ${mean.toFixed(1)}; below 1 both learn), so it teaches nothing. ` +
      'Train with a lower --discriminator-learning-rate or --weights-adversarial.',
  },
  {
    stages: ['teacher', 'finetune', 'single'],
    figure: 'ganFactor',
    after: window,
    isBad: (mean) => mean > 10,
    message: (mean) =>
      `the discriminator tells nothing apart, and its adaptive weight makes up for that (${mean.toFixed(0)}; 0.01 to 1 is usual), so that noise pulls at the model. ` +
      'Train with a higher --discriminator-learning-rate, such as 2e-3, or a lower --weights-adversarial, such as 0.1.',
  },
];

/** The guards of one training. */
export class Guards {
  readonly #open: Guard[];
  readonly #seen = new Map<string, number[]>();

  /** @param pictures  that the stage trains on */
  constructor(stage: StageName, pictures: number) {
    this.#open = guards.filter(({ stages, pictures: least = 0 }) => stages.includes(stage) && pictures >= least);
  }

  /** Looks at an update's figures. @returns what is wrong and what helps, the first time that it is seen */
  look(update: number, figures: StepReport): string | undefined {
    for (const guard of this.#open) {
      const value = figures[guard.figure];
      if (value === undefined) continue;
      const values = this.#seen.get(guard.figure) ?? [];
      this.#seen.set(guard.figure, values);
      values.push(value);
      if (values.length > window) values.shift();
      if (values.length < window || update <= guard.after) continue;
      const mean = values.reduce((sum, x) => sum + x, 0) / window;
      if (!guard.isBad(mean)) continue;
      this.#open.splice(this.#open.indexOf(guard), 1);
      return guard.message(mean);
    }
    return undefined;
  }
}
