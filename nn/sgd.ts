/** Stochastic gradient descent, plain or with momentum: each update is one fused pass. */
import { defineUpdate, expectOption } from '../core/index.ts';
import type { StateDict } from './module.ts';
import { expectShare, Optimizer, type OptimizerOptions, type ParameterGroup, zerosFor } from './optimizer.ts';

/** Options of `SGD`. */
export interface SGDOptions extends OptimizerOptions {
  /** Share of the last update direction that is kept. Default 0: none, and no memory for it. */
  readonly momentum?: number;
  /** Steps along the direction that momentum leads to next. Default false. */
  readonly nesterov?: boolean;
}

const sgd = defineUpdate('sgd', ['p'], ['g', 'scale'], ['lr', 'decay'], {
  p: 'p - lr * (g * scale + decay * p)',
});
const sgdMomentum = defineUpdate('sgdMomentum', ['b', 'p'], ['g', 'scale'], ['lr', 'decay', 'momentum'], {
  b: 'momentum * b + (g * scale + decay * p)',
  p: 'p - lr * b',
});
const sgdNesterov = defineUpdate('sgdNesterov', ['b', 'p'], ['g', 'scale'], ['lr', 'decay', 'momentum'], {
  b: 'momentum * b + (g * scale + decay * p)',
  p: 'p - lr * (g * scale + decay * p + momentum * b)',
});

/**
 * Stochastic gradient descent, as PyTorch's `SGD` without dampening.
 *
 *   g ← scale · g + wd · p;   b ← momentum · b + g
 *   p ← p − lr · b            (nesterov: p ← p − lr (g + momentum · b))
 *
 * @throws OptionError for `nesterov` without momentum
 * @see Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"
 */
export class SGD extends Optimizer {
  /** b by parameter name; empty without momentum. */
  readonly momentum_buffer: StateDict;
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(options: SGDOptions) {
    super(options, ['momentum', 'nesterov']);
    const { momentum = 0, nesterov = false } = options;
    expectShare('SGD, momentum', momentum);
    expectOption(!nesterov || momentum > 0, 'SGD, nesterov', 'a momentum above 0', momentum);
    this.#momentum = momentum;
    this.#nesterov = nesterov;
    this.momentum_buffer = momentum === 0 ? {} : zerosFor(options.params);
  }

  protected update({ params: p, grads: g, scale, lr, weightDecay: decay, of }: ParameterGroup): void {
    const momentum = this.#momentum;
    if (momentum === 0) sgd.all({ p, g, scale }, { lr, decay });
    else {
      const update = this.#nesterov ? sgdNesterov : sgdMomentum;
      update.all({ b: of(this.momentum_buffer), p, g, scale }, { lr, decay, momentum });
    }
  }
}
