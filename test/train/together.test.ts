/** Settings that contradict each other are errors that name both; those without effect are told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  diffusion,
  finetune,
  generator,
  merge,
  parseSettings,
  presets,
  type Stage,
  single,
  teacher,
  warmup,
} from '../../train/index.ts';
import { type AnySettings, uselessSettings } from '../../train/together.ts';

const contradictions: [stage: Stage, settings: object, message: string][] = [
  [
    warmup,
    { steps: 150 },
    'steps: expected more than continuousSteps 150, the updates before the codebook starts, got 150. Raise steps or lower continuousSteps.',
  ],
  [
    single,
    { steps: 0 },
    'steps: expected more than continuousSteps 150, the updates before the codebook starts, got 0. Raise steps or lower continuousSteps.',
  ],
  [
    teacher,
    { steps: 5 },
    'steps: expected more than continuousSteps 8, the updates before the codebook starts, got 5. Raise steps or lower continuousSteps.',
  ],
  [
    teacher,
    { imageSize: 30 },
    'imageSize: expected a multiple of 4, the pixels that teacher.stem makes one code of, got 30.',
  ],
  [
    teacher,
    { imageSize: 33, teacher: { kind: 'vqgan' } },
    'imageSize: expected a multiple of 4, the pixels that teacher.channelMult makes one code of, got 33.',
  ],
  [
    teacher,
    { teacher: { stem: [8, 12] } },
    'teacher.stem: expected a last width that is a multiple of 8, for the group norm, got [8,12].',
  ],
  [
    teacher,
    { teacher: { kind: 'vqgan', hiddenChannels: 48 } },
    'teacher.hiddenChannels: expected a multiple of 32, for the group norm, got 48.',
  ],
  [
    teacher,
    { weights: { l2: 0, l1: 0, gradient: 0 } },
    'weights.l2: expected one of weights.l2, weights.l1, weights.gradient, weights.perceptual above 0, got 0.',
  ],
  [teacher, { weights: { kl: 1e-6 } }, 'weights.kl: expected 0, as this stage has no such term, got 0.000001.'],
  [
    finetune,
    { discriminatorStart: 1 },
    'discriminatorStart: expected a part of the 300 steps, as weights.adversarial is 0.04, got 1. The discriminator would never join in. Lower it, or set weights.adversarial to 0.',
  ],
  [
    finetune,
    { adaptiveWeight: true, weights: { l2: 0, l1: 0, gradient: 0, perceptual: 0 } },
    'adaptiveWeight: expected false without weights.l2, weights.l1, weights.gradient, weights.perceptual above 0, got true.',
  ],
  [warmup, { model: { imageSize: 33 } }, 'model.imageSize: expected a multiple of model.encoder.patchSize 8, got 33.'],
  [
    single,
    { model: { imageSize: 24, decoder: { patchSize: 5 } } },
    'model.imageSize: expected a multiple of model.decoder.patchSize 5, got 24.',
  ],
  [
    warmup,
    { model: { encoder: { heads: 3 } } },
    'model.encoder.heads: expected a divisor of model.encoder.width 128, got 3.',
  ],
  [
    single,
    { model: { decoder: { width: 130 } } },
    'model.decoder.heads: expected a divisor of model.decoder.width 130, got 4.',
  ],
  [
    warmup,
    { model: { variant: '2d', latentTokens: 32 } },
    'model.latentTokens: expected 16, a token for each patch of model.encoder.patchSize, as model.variant is 2d, got 32.',
  ],
  [
    single,
    { model: { variant: '2d', variableLength: true } },
    'model.variableLength: expected false, as model.variant is 2d, got true.',
  ],
  [single, { weights: { kl: 1e-6 } }, 'weights.kl: expected 0, as model.quantizeMode is vq, got 0.000001.'],
  [single, { model: { quantizeMode: 'vae' } }, 'weights.quantizer: expected 0, as model.quantizeMode is vae, got 1.'],
  [generator, { generator: { heads: 5 } }, 'generator.heads: expected a divisor of generator.width 192, got 5.'],
  [generator, { emaDecay: 1 }, 'emaDecay: expected a number ≥ 0 and < 1, got 1.'],
  [generator, { generator: { dropout: 1 } }, 'generator.dropout: expected a number ≥ 0 and < 1, got 1.'],
  [diffusion, { noise: 'cosine', model: { prediction: 'noise' } }, 'model.prediction: expected velocity with noise cosine, got "noise".'], // biome-ignore format: one line each
  [generator, { labelSmoothing: 1 }, 'labelSmoothing: expected a number ≥ 0 and < 1, got 1.'],
];

for (const [stage, settings, message] of contradictions) {
  test(`${stage.name} ${JSON.stringify(settings)}`, () => {
    assert.throws(() => parseSettings(stage.settings, settings, 'here'), {
      name: 'OptionError',
      message: `here, ${message}`,
    });
  });
}

test('weights from a file need no updates', () => {
  parseSettings(teacher.settings, { steps: 0, weightsFrom: 'published.safetensors' }, 'here');
});

test('image size and patches: what is accepted is a whole number of patches', () => {
  const side = fc.integer({ min: 1, max: 64 });
  const accepts = (imageSize: number, patchSize: number) => {
    const half = { patchSize };
    try {
      parseSettings(single.settings, { model: { imageSize, encoder: half, decoder: half } }, 'here');
      return true;
    } catch {
      return false;
    }
  };
  fc.assert(
    fc.property(side, side, (size, patch) => accepts(size, patch) === (size % patch === 0)),
    { seed: 1 },
  );
});

const useless: [stage: Stage, settings: object, notes: RegExp[]][] = [
  [warmup, { steps: 400, scheduleSteps: 100 }, [/^scheduleSteps 100: .* stays at its end, for 300 of 400 updates\.$/]],
  [teacher, { steps: 30 }, [/^warmupSteps 50: the learning rate is still rising when its 30 updates end\.$/]],
  [single, { adaptiveWeight: true }, [/^adaptiveWeight: without weights\.adversarial there is nothing to weigh\.$/]],
  [finetune, { discriminatorStart: 1, weights: { adversarial: 0 } }, []],
  [single, { codebook: 'gradient', weights: { quantizer: 0 } }, [/^weights\.quantizer 0: nothing trains the codebook/]],
  [generator, { labelDrop: 0 }, [/^labelDrop 0: .* which sampling\.guidanceScale compares with\.$/]],
  [generator, { labelDrop: 0, sampling: { guidanceScale: 0 } }, []],
];

test('settings without effect are told, one line each', () => {
  for (const [stage, settings, notes] of useless) {
    const found = uselessSettings(parseSettings(stage.settings, settings, 'here') as AnySettings);
    assert.equal(found.length, notes.length, JSON.stringify({ settings, found }));
    for (const [i, note] of notes.entries()) assert.match(found[i], note);
  }
});

test('presets have nothing to be told', () => {
  for (const [name, preset] of Object.entries(presets)) {
    for (const stage of [teacher, warmup, finetune, single, generator]) {
      const settings = parseSettings(stage.settings, merge({}, preset[stage.name]), name);
      assert.deepEqual(uselessSettings(settings as AnySettings), [], `${name} ${stage.name}`);
    }
  }
});
