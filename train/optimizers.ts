/** The optimizers of a stage: Muon for the matrices inside its transformer, AdamW for everything else. */
import type { Tensor } from '../core/index.ts';
import { AdamW, Ema, isHiddenMatrix, Muon, type Optimizer, pick, type StateDict } from '../nn/index.ts';
import { oneOf, positive, share } from './settings.ts';

/** Settings of stages that train a transformer. */
export const optimizerSettings = (optimizer: 'adamw' | 'muon', muonLearningRate = 5e-3) => ({
  optimizer: oneOf(
    ['adamw', 'muon'],
    optimizer,
    'of matrices inside the transformer; muon learns in fewer updates that take longer',
  ),
  muonLearningRate: positive(muonLearningRate, "muon's, at the top of the cosine"),
});

export interface OptimizerSettings {
  readonly optimizer: 'muon' | 'adamw';
  readonly learningRate: number;
  readonly muonLearningRate: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
}

/** One or two optimizers that step together. */
export interface StageOptimizers {
  /** By name, for the checkpoint. */
  readonly byName: Readonly<Record<string, Optimizer>>;
  /** @param lr  AdamW's learning rate; Muon's keeps its ratio to it */
  step(grads: Readonly<Record<string, Tensor>>, options: { readonly lr: number; readonly scale: Tensor }): void;
}

/** The optimizers of a model's parameters. */
export function stageOptimizers(params: StateDict, settings: OptimizerSettings): StageOptimizers {
  const hidden = (name: string) => settings.optimizer === 'muon' && isHiddenMatrix(name, params[name].shape);
  const { betas, weightDecay, learningRate, muonLearningRate } = settings;
  const model = new AdamW({ params: pick(params, (name) => !hidden(name)), betas, weightDecay });
  const matrices = pick(params, hidden);
  const muon = Object.keys(matrices).length > 0 ? new Muon({ params: matrices, weightDecay }) : undefined;
  return {
    byName: { model, ...(muon && { muon }) },
    step(grads, { lr, scale }) {
      model.step(
        pick(grads, (name) => !hidden(name)),
        { lr, scale },
      );
      muon?.step(pick(grads, hidden), { lr: (lr * muonLearningRate) / learningRate, scale });
    },
  };
}

/** A tokenizer's weights can be averaged, as the published ones are. */
export const averageSetting = share(0, 'of averaged weights, which are measured and kept; 0: none; published 0.999');

/** The average that the settings ask for. */
export const averageOf = (params: StateDict, { emaDecay }: { readonly emaDecay: number }): Ema | undefined =>
  emaDecay > 0 ? new Ema(params, { decay: emaDecay }) : undefined;
