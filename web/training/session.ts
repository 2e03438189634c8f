/** The training behind the page, from the start message to the last report. Runs in a worker, and in Node. */
import { openDevice, Rng, setDefaultDevice } from '../../core/index.ts';
import { generator } from './generator.ts';
import { type Learner, type LearnerContext, teacher, titok } from './learners.ts';
import type { Frame, Kind, Point, Report, Start } from './messages.ts';
import { imageSize } from './shapes.ts';
import { packTraining, parseTraining } from './training-file.ts';

/** When to train, and when to wait. */
export interface Pace {
  /**
   * Waits until an update may be done. Calls `waiting` each time that it begins to wait.
   *
   * @returns false when the training is to end
   */
  next(waiting: () => Promise<void>): Promise<boolean>;
  /** The class that a generator draws; undefined: any. */
  readonly className: string | undefined;
}

const learners: Readonly<Record<Kind, (context: LearnerContext) => Promise<Learner>>> = { generator, titok, teacher };
const frames = 40; // pictures of a whole training: as many fit on a slider, and into the browser's storage
const saveMs = 15_000;

/** Trains to the last update, or until `pace` ends it. */
export async function train(start: Start, report: (report: Report) => void, pace: Pace): Promise<void> {
  report({ kind: 'preparing', what: `Opening ${start.device}` });
  const device = await openDevice(start.device, { matmulPrecision: 'high' });
  setDefaultDevice(device);

  // 1. A new training, or one that goes on.
  const saved = start.file && parseTraining(start.file, imageSize);
  const { plan, pictures } = saved ?? start;
  report({ kind: 'preparing', what: plan.kind === 'generator' ? 'Fetching the tokens' : 'Drawing the pictures' });
  const rng = new Rng(plan.seed);
  const learner = await learners[plan.kind]({ plan, pictures, rng, tokenizer: start.tokenizer });
  const { training, parameters, learned, heldOut, originals, classes } = learner;
  const { state } = training;
  if (saved) state.restore(saved.groups, saved.state);
  const log: Point[] = [...(saved?.log ?? [])];
  const { name, threads } = device;
  const { done } = state;
  const shown = { learned, heldOut, originals, classes };
  report({ kind: 'ready', plan, done, device: name, threads, parameters, ...shown, log: [...log] });

  // 2. What is shown and saved on the way.
  let [savedAt, savedDone, drawn] = [performance.now(), state.done, ''];
  const save = async () => {
    if (state.done > 0 && state.done !== savedDone)
      report({ kind: 'saved', done: state.done, file: await packTraining(state, { plan, pictures, log }) });
    [savedAt, savedDone] = [performance.now(), state.done];
  };
  const draw = async () => {
    const what = `${state.done} ${pace.className}`;
    if (what === drawn) return;
    drawn = what;
    const frame: Frame = { done: state.done, ...(await learner.draw(pace.className)) };
    report({ kind: 'frame', frame });
  };
  const waiting = async () => {
    await draw();
    await save();
    report({ kind: 'paused' });
  };

  // 3. The loop.
  const every = Math.max(5, Math.ceil(plan.steps / frames));
  let seconds = 0; // of an update, with what is shown and saved, averaged
  await draw();
  while (state.done < plan.steps && (await pace.next(waiting))) {
    if (log.length === 0) report({ kind: 'preparing', what: 'Compiling' });
    const began = performance.now();
    const value = learner.valueOf(await training.step());
    const isMeasured = state.done === 1 || state.done % every === 0 || state.done === plan.steps;
    const measured = isMeasured ? await learner.measure() : undefined;
    const point: Point = { done: state.done, value, ...(measured !== undefined && { heldOut: measured }) };
    log.push(point);
    if (isMeasured) await draw();
    if (performance.now() - savedAt > saveMs) await save();
    const took = (performance.now() - began) / 1000;
    seconds = seconds === 0 ? took : 0.95 * seconds + 0.05 * took;
    report({ kind: 'step', point, perSecond: 1 / seconds, secondsLeft: (plan.steps - state.done) * seconds });
  }
  await draw();
  await save();
  await device.close();
  report({ kind: 'finished', done: state.done });
}
