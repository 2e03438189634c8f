/** The training loop, as an async generator that yields a report per update. */
import type { StepReport, Training } from './training.ts';

/** What one update of a training reports. */
export interface Progress {
  /** Updates done. */
  readonly step: number;
  /** Updates planned. */
  readonly steps: number;
  readonly loss: number;
  /** Loss terms, learning rate, gradient norm. */
  readonly figures: StepReport;
  /** The latest terms on held-out images, in a run that looks at them. */
  readonly heldOut?: Readonly<Record<string, number>>;
  /** Training time so far, pauses between sessions left out. */
  readonly seconds: number;
  /** Images seen so far. */
  readonly images: number;
  /** Since this session began. */
  readonly imagesPerSecond: number;
  /** Estimate for the rest. */
  readonly secondsLeft: number;
}

/** Time and images that earlier sessions spent on a training. */
export interface Spent {
  readonly seconds: number;
  readonly images: number;
}

/**
 * Trains, one update per report.
 *
 *   for await (const { step, loss } of trainingLoop(training)) if (step % 100 === 0) console.log(step, loss);
 *
 * Leaving the loop (`break`) stops between two updates.
 *
 * @throws NonFiniteError when a loss or gradient is NaN or infinite; the model is as it was before that update
 */
export async function* trainingLoop(
  training: Training,
  before: Spent = { seconds: 0, images: 0 },
): AsyncGenerator<Progress, void> {
  const { state, steps, batchSize } = training;
  const start = state.done;
  if (start >= steps) return;
  const opened = performance.now();
  await training.prepare?.();
  const started = performance.now();
  while (state.done < steps) {
    const figures = await training.step();
    const now = performance.now();
    const done = state.done - start;
    const seconds = (now - started) / 1000;
    yield {
      step: state.done,
      steps,
      loss: figures.loss,
      figures,
      seconds: before.seconds + (now - opened) / 1000,
      images: before.images + done * batchSize,
      imagesPerSecond: (done * batchSize) / seconds,
      secondsLeft: ((steps - state.done) * seconds) / done,
    };
    await nextTask();
  }
}

/** Lets signals and messages in: awaiting a synchronous device does not go through the event loop. */
function nextTask(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
