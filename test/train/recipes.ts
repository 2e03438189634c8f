/** All trainings in a size that takes milliseconds, on pictures made here. */
import { type Device, openDevice, Rng, setDefaultDevice, tensor } from '../../core/index.ts';
import { batches, type ImageSet } from '../../data/index.ts';
import type { QuantizerName } from '../../nn/index.ts';
import { presets, SmallDiscriminator, Teacher, TiTok, withPixelDecoder, withTokenSize } from '../../titok/index.ts';
import {
  diffusion,
  finetune,
  generator,
  type LatentSource,
  merge,
  type PartsSettings,
  parseSettings,
  single,
  type TokenSource,
  type Training,
  teacher as teacherStage,
  trainDiffusion,
  trainFinetune,
  trainGenerator,
  trainSingle,
  trainTeacher,
  trainWarmup,
  warmup,
} from '../../train/index.ts';

/** One thread: sums come out the same in every run. */
export async function useOneThread(): Promise<Device> {
  const device = await openDevice('cpu', { threads: 1 });
  setDefaultDevice(device);
  return device;
}

/** Colored discs on colored ground. */
export function discs(count = 12, size = 8): ImageSet {
  const rng = new Rng(7);
  const images = new Uint8Array(count * 3 * size * size);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  for (let i = 0; i < count; i++) {
    const [ground, disc] = [rng.uniforms(3, 0, 255), rng.uniforms(3, 0, 255)];
    const [x0, y0, r] = [rng.uniform() * size, rng.uniform() * size, size / 3];
    for (let p = 0; p < size * size; p++) {
      const inside = ((p % size) - x0) ** 2 + (Math.floor(p / size) - y0) ** 2 < r * r;
      for (let c = 0; c < 3; c++) images[(i * 3 + c) * size * size + p] = (inside ? disc : ground)[c];
    }
  }
  return { count, size, images, labels, names: Array.from(labels, (_, i) => `disc ${i}`) };
}

const teacherConfig = { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 8 } as const;
const model = {
  ...presets.tiny,
  imageSize: 8,
  latentTokens: 4,
  codebookSize: 8,
  tokenSize: 4,
  encoder: { width: 16, layers: 1, heads: 2, patchSize: 4 },
  decoder: { width: 16, layers: 1, heads: 2, patchSize: 4 },
  proxyCodebookSize: 8,
};
const short = { batchSize: 2, warmupSteps: 2 };
const tokenizer = { ...short, model, steps: 12, scheduleSteps: 12, continuousSteps: 4 };

const loader = () => batches(discs(), { batchSize: 2, seed: 3, flip: true });
const teacher = () => new Teacher(teacherConfig, new Rng(11));
const tuned = () => withPixelDecoder(new TiTok(model, new Rng(12)), teacher());

/** Rows of tokens, drawn from a generator whose state is the position. */
function tokenRows(): TokenSource {
  const rng = new Rng(13);
  return {
    next: () => ({
      tokens: Int32Array.from({ length: 8 }, () => rng.int(8)),
      labels: Int32Array.of(rng.int(2), rng.int(2)),
    }),
    get state() {
      return rng.state;
    },
    set state(saved) {
      rng.state = saved;
    },
  };
}

/** Latents, drawn from a generator whose state is the position. */
function latentRows(): LatentSource {
  const rng = new Rng(14);
  return {
    next: () => ({
      latents: tensor(rng.normals(2 * 3 * 4), [2, 3, 2, 2]),
      labels: Int32Array.of(rng.int(2), rng.int(2)),
    }),
    get state() {
      return rng.state;
    },
    set state(saved) {
      rng.state = saved as typeof rng.state;
    },
  };
}

const ofTeacher = (changes: object) => parseSettings(teacherStage.settings, { ...short, ...changes }, 'teacher');

/** A tokenizer of 64 codes with one of the quantizers, from a teacher's codes or from pixels. */
const quantizedBy =
  (quantizer: QuantizerName, head: 'proxy' | 'pixels') =>
  async (seed = 1, held: Held = {}) => {
    const changed = { ...tokenizer, ...held, model: withTokenSize({ ...model, codebookSize: 64, quantizer, head }) };
    return head === 'proxy'
      ? trainWarmup(parseSettings(warmup.settings, changed, 'warmup'), teacher(), loader(), new Rng(seed))
      : trainSingle(parseSettings(single.settings, changed, 'single'), loader(), new Rng(seed));
  };
const warmedUp = async (seed = 1, changes: object = {}) =>
  trainWarmup(
    parseSettings(warmup.settings, { ...tokenizer, ...changes }, 'warmup'),
    teacher(),
    loader(),
    new Rng(seed),
  );
const adversarial = { weights: { adversarial: 0.1 }, discriminatorStart: 0.5 };
const smallDiscriminator = (seed: number) => ({ discriminator: new SmallDiscriminator(new Rng(seed)) });

/** The single stage, with a discriminator that joins in at update 7 of 12. */
export function judgedSingle(changes: object = {}, seed = 1): Training {
  const settings = merge({ ...tokenizer, ...adversarial, model: { ...model, head: 'pixels' } }, changes);
  const parsed = parseSettings(single.settings, settings, 'single');
  return trainSingle(parsed, loader(), new Rng(seed), smallDiscriminator(seed));
}

/** What an update holds in memory at once. */
type Held = Partial<PartsSettings>;

/** Fresh trainings, each as if a program had just started. */
export const recipes: Readonly<Record<string, (seed?: number, held?: Held) => Promise<Training>>> = {
  teacher: async (seed = 1, held) =>
    trainTeacher(
      ofTeacher({ teacher: teacherConfig, steps: 12, continuousSteps: 4, ...held }),
      loader(),
      new Rng(seed),
    ),
  'teacher by gradient': async (seed = 1, held) => {
    const narrow = { hiddenChannels: 32, channelMult: [1, 1], resBlocks: 1, zChannels: 4, codebookSize: 8 };
    const byGradient = { steps: 8, continuousSteps: 0, codebook: 'gradient', ...held };
    return trainTeacher(ofTeacher({ teacher: { kind: 'vqgan', ...narrow }, ...byGradient }), loader(), new Rng(seed));
  },
  warmup: (seed, held) => warmedUp(seed, held),
  'warmup, with averaged weights': (seed, held) => warmedUp(seed, { ...held, emaDecay: 0.5 }),
  'warmup, rotation': quantizedBy('rotation', 'proxy'),
  'warmup, clustering': quantizedBy('clustering', 'proxy'),
  'warmup, fsq': quantizedBy('fsq', 'proxy'),
  'warmup, lfq': quantizedBy('lfq', 'proxy'),
  finetune: async (seed = 1, held) => {
    const rng = new Rng(seed);
    const judged = { discriminatorStart: 0.25, weights: { perceptual: 0 }, emaDecay: 0.5 };
    const settings = { ...short, ...held, steps: 12, ...judged };
    const parsed = parseSettings(finetune.settings, settings, 'finetune');
    return trainFinetune(parsed, tuned(), loader(), rng, { discriminator: new SmallDiscriminator(rng) });
  },
  single: async (seed = 1, held) => {
    const settings = parseSettings(
      single.settings,
      { ...tokenizer, ...held, model: { ...model, head: 'pixels' } },
      'single',
    );
    return trainSingle(settings, loader(), new Rng(seed));
  },
  'single, simvq': quantizedBy('simvq', 'pixels'),
  'single, ifsq': quantizedBy('ifsq', 'pixels'),
  'single, bsq': quantizedBy('bsq', 'pixels'),
  'single in 2-D, with a discriminator': async (seed, held) =>
    judgedSingle({ ...held, model: { variant: '2d' } }, seed),
  'single, with an adaptive weight': async (seed, held) => judgedSingle({ ...held, adaptiveWeight: true }, seed),
  'single, with continuous tokens': async (seed, held) =>
    judgedSingle({ ...held, model: { quantizeMode: 'vae' }, weights: { quantizer: 0, kl: 1e-6 } }, seed),
  'teacher, with an adaptive weight': async (seed = 1, held) => {
    const settings = {
      ...adversarial,
      ...held,
      adaptiveWeight: true,
      teacher: teacherConfig,
      steps: 12,
      continuousSteps: 4,
    };
    return trainTeacher(ofTeacher(settings), loader(), new Rng(seed), undefined, smallDiscriminator(seed));
  },
  generator: async (seed = 1, held) => {
    const small = { codebookSize: 8, latentTokens: 4, classes: 2, width: 16, layers: 1, heads: 2, mlpWidth: 32 };
    const settings = parseSettings(generator.settings, { ...short, ...held, generator: small, steps: 12 }, 'generator');
    return trainGenerator(settings, tokenRows(), new Rng(seed));
  },
  diffusion: async (seed = 1, held) => {
    const model = { channels: 3, gridSize: 2, classes: 2, width: 16, layers: 1, heads: 2, mlpWidth: 32 };
    const settings = parseSettings(diffusion.settings, { ...short, ...held, model, steps: 12 }, 'diffusion');
    return trainDiffusion(settings, latentRows(), new Rng(seed));
  },
};
