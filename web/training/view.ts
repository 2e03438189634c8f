/** What is seen of a training: how far it is, its pictures and its curve. */
import type { App } from '../app.ts';
import { h } from '../ui/dom.ts';
import { stillPicture } from '../ui/picture.ts';
import type { Curve } from './curve.ts';
import type { Run } from './kept.ts';
import { kinds } from './kinds.ts';
import { trainingPictures } from './pictures.ts';
import type { PlanForm } from './plan-form.ts';
import { drawShapes, imageSize } from './shapes.ts';

export interface TrainingView {
  /** What is trained, and on what: above the buttons. */
  readonly about: HTMLElement;
  /** Everything else: below them. */
  readonly results: readonly HTMLElement[];
  say(status: string): void;
  /** Shows what went wrong; nothing: hides it. */
  problem(problem?: { readonly sentence?: string | undefined; readonly detail?: string }): void;
  /** A run as far as it is: one that begins, goes on, or was kept. */
  show(run: Run): void;
  /** New pictures of a run. */
  showPictures(run: Run): void;
  /** One more update. */
  showStep(run: Run): void;
  /** Before the first update: what it learns from. */
  preview(plan: PlanForm): void;
  /** Pictures and curve of a run that is replaced. */
  clear(): void;
  /** Goes back to the newest pictures. */
  newest(): void;
}

export function trainingView(app: App): TrainingView {
  const about = h('p', { class: 'small' });
  const status = h('p', { class: 'training-status' });
  const bar = h('progress', { 'aria-label': 'Updates done', max: 1, value: 0 });
  const problem = h('div', { class: 'problem', role: 'alert', hidden: true });
  const pictures = trainingPictures();
  const chart = h('div', { class: 'curve', role: 'img', 'aria-label': 'The curve of the training' });
  let curve: Promise<Curve> | undefined;
  let newest: Run | undefined; // whose curve is drawn once it can be

  async function showCurve(run: Run): Promise<void> {
    newest = run;
    chart.hidden = run.log.length === 0;
    if (chart.hidden) return;
    curve ??= import('./curve.ts').then((module) => module.curve(chart));
    try {
      const drawn = await curve;
      if (newest) drawn.show(newest.log, kinds[newest.ready.plan.kind].figure);
    } catch (error) {
      curve = undefined; // the next update tries again
      app.fail(error);
    }
  }

  const showDone = ({ log, ready }: Run): void => {
    bar.hidden = false;
    bar.value = (log.at(-1)?.done ?? 0) / ready.plan.steps;
  };

  return {
    about,
    results: [status, bar, problem, h('div', { class: 'training-results' }, pictures.element, chart)],
    say(text) {
      status.textContent = text;
    },
    problem({ sentence = '', detail } = {}) {
      problem.hidden = sentence === '';
      problem.replaceChildren(
        sentence,
        ...(detail ? [h('details', {}, h('summary', {}, 'What the library says'), h('p', {}, detail))] : []),
      );
    },
    show(run) {
      const { plan, learned, heldOut, parameters, threads } = run.ready;
      about.textContent = `${kinds[plan.kind].about} ${learned.toLocaleString('en')} to learn from, ${heldOut || 'none'} held out, ${parameters.toLocaleString('en')} weights, ${threads === 1 ? 'one thread' : `${threads} threads`}.`;
      showDone(run);
      pictures.show(run);
      void showCurve(run);
    },
    showPictures: (run) => pictures.show(run),
    showStep(run) {
      showDone(run);
      void showCurve(run);
    },
    preview({ kind, own }) {
      newest = undefined;
      bar.hidden = chart.hidden = true;
      about.textContent = kinds[kind].about;
      const isGenerator = kind === 'generator';
      status.textContent =
        own.length > 0 && !isGenerator ? `${own.length} ${own.length === 1 ? 'picture' : 'pictures'} of yours.` : '';
      if (isGenerator) {
        const rows = app.baked.rows.map(({ picture, name }) => h('img', { src: picture, alt: name }));
        pictures.preview('Each picture is a row of tokens, as these are', rows);
      } else {
        const some = own.length > 0 ? own.slice(0, 8) : drawShapes(8, imageSize, randomOf(7));
        const shown = some.map((pixels, i) => stillPicture(pixels, `picture ${i + 1}`));
        pictures.preview('It learns from pictures such as these', shown);
      }
    },
    clear() {
      newest = undefined;
      void curve?.then((drawn) => drawn.show([], ''));
      pictures.clear();
    },
    newest: () => pictures.newest(),
  };
}

/** Numbers of [0, 1) for pictures that only have to look alike at every visit. */
function randomOf(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    return x / 2 ** 32;
  };
}
