/** Settings that belong together: those that contradict each other are errors, those without effect are told. */
import type * as z from 'zod';
import { type QuantizerName, sizesNear } from '../nn/index.ts';

/** Names a setting of the same group in a message: 'heads' → 'model.encoder.heads', or --model-encoder-heads. */
export type NameOf = (setting: string) => string;

/** A setting that does not fit the others of its group. */
export interface Conflict {
  readonly setting: string;
  readonly got: unknown;
  readonly expected: (name: NameOf) => string;
  /** A sentence that says what to do. */
  readonly repair?: (name: NameOf) => string;
}

type Rule<S> = (settings: S) => Conflict | false;
/** What all of several rules read. */
type Read<Rules extends readonly Rule<never>[]> = Rules[number] extends Rule<infer S> ? S : never;

/** For `superRefine`: checks rules about the settings of one group. */
export const fitting =
  <Rules extends readonly Rule<never>[]>(...rules: Rules) =>
  (settings: Read<Rules>, context: z.RefinementCtx): void => {
    for (const rule of rules) {
      const conflict = rule(settings as never);
      if (conflict) context.addIssue({ code: 'custom', path: conflict.setting.split('.'), params: { conflict } });
    }
  };

/** Attention heads share the width. */
export const headsDivideWidth = ({ heads, width }: { heads: number; width: number }): Conflict | false =>
  width % heads !== 0 && {
    setting: 'heads',
    got: heads,
    expected: (name) => `a divisor of ${name('width')} ${width}`,
  };

/** An image is a whole number of patches wide. */
export const patchesFill =
  (half: 'encoder' | 'decoder') =>
  (model: { imageSize: number } & Record<'encoder' | 'decoder', { patchSize: number }>): Conflict | false => {
    const { patchSize } = model[half];
    return (
      model.imageSize % patchSize !== 0 && {
        setting: 'imageSize',
        got: model.imageSize,
        expected: (name) => `a multiple of ${name(`${half}.patchSize`)} ${patchSize}`,
      }
    );
  };

/** A quantizer with fixed codes does not have every number of them. */
export const codesFit = (model: { quantizer: QuantizerName; codebookSize: number }): Conflict | false => {
  const { quantizer, codebookSize } = model;
  const sizes = sizesNear(model);
  return (
    !sizes.includes(codebookSize) && {
      setting: 'codebookSize',
      got: codebookSize,
      expected: (name) => `${sizes.join(' or ')} for ${name('quantizer')} ${quantizer}`,
    }
  );
};

/** A 2-D TiTok has one token for each patch, in no order that could be cut short. */
export const tokensArePatches = (model: {
  variant: '1d' | '2d';
  imageSize: number;
  latentTokens: number;
  variableLength: boolean;
  legacy: boolean;
  encoder: { patchSize: number };
}): Conflict | false => {
  if (model.variant === '1d') return false;
  const patches = (model.imageSize / model.encoder.patchSize) ** 2;
  if (model.latentTokens !== patches)
    return {
      setting: 'latentTokens',
      got: model.latentTokens,
      expected: (name) =>
        `${patches}, a token for each patch of ${name('encoder.patchSize')}, as ${name('variant')} is 2d`,
    };
  const wrong = (['variableLength', 'legacy'] as const).find((setting) => model[setting]);
  return wrong !== undefined && { setting: wrong, got: true, expected: (name) => `false, as ${name('variant')} is 2d` };
};

/** A tokenizer must be quantized before its training ends. */
export const someQuantized = ({ steps, continuousSteps }: Quantized): Conflict | false =>
  steps <= continuousSteps && {
    setting: 'steps',
    got: steps,
    expected: (name) =>
      `more than ${name('continuousSteps')} ${continuousSteps}, the updates before the codebook starts`,
    repair: (name) => `Raise ${name('steps')} or lower ${name('continuousSteps')}.`,
  };

interface Quantized {
  readonly steps: number;
  readonly continuousSteps: number;
}

/** A loss whose terms all have weight 0 teaches nothing. */
export const someWeight =
  <T extends string>(...terms: readonly T[]) =>
  ({ weights }: { weights: Readonly<Record<T, number>> }): Conflict | false =>
    terms.every((term) => weights[term] === 0) && {
      setting: `weights.${terms[0]}`,
      got: 0,
      expected: (name) => `one of ${terms.map((term) => name(`weights.${term}`)).join(', ')} above 0`,
    };

/** Codes have no KL divergence, and continuous tokens no quantizer. What a model that goes on has is known later. */
export const modeHasTerms = ({
  from,
  model: { quantizeMode },
  weights,
}: {
  from: string;
  model: { quantizeMode: 'vq' | 'vae' };
  weights: Readonly<Record<'quantizer' | 'kl', number>>;
}): Conflict | false => {
  const term = quantizeMode === 'vq' ? 'kl' : 'quantizer';
  return (
    from === '' &&
    weights[term] > 0 && {
      setting: `weights.${term}`,
      got: weights[term],
      expected: (name) => `0, as ${name('model.quantizeMode')} is ${quantizeMode}`,
    }
  );
};

/** A discriminator that never joins in, or whose adaptive weight has nothing to compare with, has no effect. */
export const discriminatorHelps = (settings: {
  steps: number;
  discriminatorStart: number;
  adaptiveWeight: boolean;
  weights: Readonly<Record<'l2' | 'l1' | 'gradient' | 'perceptual' | 'adversarial', number>>;
}): Conflict | false => {
  const { steps, discriminatorStart, adaptiveWeight, weights } = settings;
  if (weights.adversarial === 0) return false;
  if (steps > 0 && Math.round(discriminatorStart * steps) >= steps)
    return {
      setting: 'discriminatorStart',
      got: discriminatorStart,
      expected: (name) => `a part of the ${steps} steps, as ${name('weights.adversarial')} is ${weights.adversarial}`,
      repair: (name) => `The discriminator would never join in. Lower it, or set ${name('weights.adversarial')} to 0.`,
    };
  const compared = weights.l2 + weights.l1 + weights.gradient + weights.perceptual;
  return (
    adaptiveWeight &&
    compared === 0 && {
      setting: 'adaptiveWeight',
      got: true,
      expected: (name) =>
        `false without ${(['l2', 'l1', 'gradient', 'perceptual'] as const).map((term) => name(`weights.${term}`)).join(', ')} above 0`,
    }
  );
};

/** The published networks are in files; the package has MobileNetV2 alone. */
export const networkHasFiles = (settings: { perceptualNetwork: string; perceptualFiles: string }): Conflict | false => {
  const { perceptualNetwork: network, perceptualFiles: files } = settings;
  return (
    (network === 'mobilenet') !== (files === '') && {
      setting: 'perceptualFiles',
      got: files || 'none',
      expected: (name) =>
        network === 'mobilenet'
          ? `no files, as ${name('perceptualNetwork')} mobilenet is in the package`
          : `files with the weights of ${name('perceptualNetwork')} ${network}`,
    }
  );
};

/** Settings of any stage, as far as one can make another useless. */
export interface AnySettings {
  readonly steps: number;
  readonly batchSize: number;
  readonly warmupSteps: number;
  readonly scheduleSteps?: number;
  readonly adaptiveWeight?: boolean;
  readonly labelDrop?: number;
  readonly codebook?: string;
  readonly tokensFile?: string;
  readonly perceptualNetwork?: string;
  readonly discriminator?: string;
  readonly weights?: { readonly perceptual?: number; readonly adversarial?: number; readonly quantizer?: number };
  readonly sampling?: { readonly steps: number; readonly guidance?: string; readonly guidanceScale: number };
}

/** Settings that have no effect beside the others: a sentence for each. */
export function uselessSettings(settings: AnySettings): string[] {
  const { steps, warmupSteps, labelDrop, weights = {}, sampling } = settings;
  const scheduleSteps = settings.scheduleSteps || steps;
  if (steps === 0) return [];
  const found: [useless: boolean | undefined, sentence: string][] = [
    [
      scheduleSteps < steps,
      `scheduleSteps ${scheduleSteps}: from then on the learning rate stays at its end, for ${steps - scheduleSteps} of ${steps} updates`,
    ],
    [
      warmupSteps >= Math.min(steps, scheduleSteps),
      `warmupSteps ${warmupSteps}: the learning rate is still rising when its ${Math.min(steps, scheduleSteps)} updates end`,
    ],
    [
      settings.adaptiveWeight === true && weights.adversarial === 0,
      'adaptiveWeight: without weights.adversarial there is nothing to weigh',
    ],
    [
      settings.discriminator === 'published' && weights.adversarial === 0,
      'discriminator published: without weights.adversarial there is none',
    ],
    [
      settings.perceptualNetwork !== undefined &&
        settings.perceptualNetwork !== 'mobilenet' &&
        weights.perceptual === 0,
      `perceptualNetwork ${settings.perceptualNetwork}: without weights.perceptual nothing is compared with it`,
    ],
    [
      settings.codebook === 'gradient' && weights.quantizer === 0,
      "weights.quantizer 0: nothing trains the codebook when codebook is 'gradient'",
    ],
    [
      labelDrop === 0 &&
        sampling?.guidanceScale !== ((sampling?.guidance ?? 'power-cosine') === 'power-cosine' ? 1 : 0),
      'labelDrop 0: the generator never learns what "no class" is, which sampling.guidanceScale compares with',
    ],
  ];
  return found.filter(([useless]) => useless).map(([, sentence]) => `${sentence}.`);
}
