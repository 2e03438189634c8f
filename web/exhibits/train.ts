/** Exhibit 8: a network learns here, from random numbers on. */
import type { App } from '../app.ts';
import { keep, kept, type Run } from '../training/kept.ts';
import type { Ready, Report } from '../training/messages.ts';
import { planForm } from '../training/plan-form.ts';
import { type Problem, Trainer } from '../training/trainer.ts';
import { trainingView } from '../training/view.ts';
import { button, choice, focusKeeper, h } from '../ui/dom.ts';
import { download } from '../ui/picture.ts';

const firstClass = 'face-smiling';

type Phase = 'idle' | 'starting' | 'running' | 'paused' | 'stopping';

export function mount(section: HTMLElement, app: App): void {
  let phase: Phase = 'idle';
  let isReading = false; // pictures that were chosen
  let run: Run | undefined; // in view
  let last: Run | undefined; // where another one is starting, or another kind was chosen
  let trainer: Trainer | undefined;
  const { classes: classNames } = app.baked.model; // of the emoji, which it learns to draw
  let className = classNames.includes(firstClass) ? firstClass : classNames[0];
  let keeping = true;
  let startedAt = 0;
  const keepingFocus = focusKeeper(section);

  // 1. The controls.
  const plan = planForm({
    kind: () => look(),
    pictures: () => preview(),
    take: (files) => void take(files),
  });
  const main = button('Start', () => press(), { class: 'main' });
  const once = button('One update', () => {
    if (!trainer) start(run?.file);
    trainer?.tell({ kind: 'play', updates: 1 });
  });
  const stop = button('Stop', () => {
    setPhase('stopping');
    trainer?.stop();
  });
  const slow = h('input', {
    type: 'checkbox',
    change: () => trainer?.tell({ kind: 'slow', slow: slow.checked }),
  });
  const goOn = button('Go on', () => start(run?.file));
  const save = button('Download', () => {
    if (run?.file) download(new Blob([run.file]), `${run.ready.plan.kind}-${run.savedDone}.safetensors`);
  });
  const openInput = h('input', {
    type: 'file',
    accept: '.safetensors',
    hidden: true,
    'aria-label': 'A training that was downloaded here',
    change: () => {
      const chosen = [...(openInput.files ?? [])];
      openInput.value = ''; // or the same file could not be chosen again
      void take(chosen);
    },
  });
  const open = button('Open …', () => openInput.click(), { title: 'a training that was downloaded here' });
  const classes = choice(
    'Class',
    classNames.map((name) => [name, name.replaceAll('-', ' ')]),
    className,
    (name) => {
      className = name;
      view.newest();
      trainer?.tell({ kind: 'class', name });
    },
  );

  // 2. What is seen.
  const view = trainingView(app);
  section.append(
    plan.element,
    view.about,
    h(
      'div',
      { class: 'row' },
      main,
      once,
      stop,
      goOn,
      h('label', {}, slow, ' slow motion'),
      classes.element,
      h('span', { class: 'space' }),
      save,
      open,
      openInput,
    ),
    ...view.results,
  );

  // 3. A training, from its start to its end.
  /** What the main button does in each phase. */
  function press(): void {
    if (phase === 'idle') {
      start();
      return;
    }
    const isPaused = phase === 'paused';
    trainer?.tell(isPaused ? { kind: 'play', updates: Number.POSITIVE_INFINITY } : { kind: 'pause' });
    if (!isPaused) return;
    setPhase('running');
    view.say('Going on …');
  }

  function start(file?: Uint8Array<ArrayBuffer>): void {
    const planned = plan.read();
    if (!planned) return;
    if (!file || file !== run?.file) putAside();
    if (!file) view.clear();
    view.newest();
    startedAt = performance.now();
    keeping = true;
    view.problem();
    const { file: model, crc32 } = app.baked.models.find(({ name }) => name === 'emoji-32')!;
    trainer = new Trainer(
      {
        kind: 'start',
        device: plan.device,
        plan: planned,
        pictures: plan.kind === 'generator' ? [] : plan.own,
        file,
        tokenizer: new URL(`models/${model}?${crc32}`, document.baseURI).href,
      },
      { report: hear, ended },
    );
    trainer.tell({ kind: 'slow', slow: slow.checked });
    if (className) trainer.tell({ kind: 'class', name: className });
    setPhase('starting');
    view.say('Starting …');
  }

  function hear(report: Report): void {
    switch (report.kind) {
      case 'preparing':
        prepare(report.what);
        break;
      case 'ready':
        begin(report);
        break;
      case 'frame':
        run = { ...run!, frames: [...run!.frames.filter(({ done }) => done !== report.frame.done), report.frame] };
        view.showPictures(run);
        break;
      case 'step':
        if (phase === 'starting') setPhase('running');
        run = { ...run!, log: [...run!.log, report.point] };
        view.showStep(run);
        if (phase !== 'paused') view.say(rateOf(report, run.ready.plan.steps));
        break;
      case 'saved':
        run = { ...run!, file: report.file, savedDone: report.done };
        void keepRun();
        break;
      case 'paused':
        setPhase('paused');
        say(`Paused after update ${done()} of ${run!.ready.plan.steps}.`);
        break;
      case 'finished':
      case 'failed':
    }
  }

  /** Says what happens before the first update, and for how long already. */
  function prepare(what: string): void {
    if (phase !== 'starting') return;
    const tick = () => {
      if (phase !== 'starting' || preparing !== tick) return;
      view.say(`${what} … ${Math.round((performance.now() - startedAt) / 1000)} s`);
      setTimeout(tick, 1000);
    };
    preparing = tick;
    tick();
  }
  let preparing: (() => void) | undefined;

  function begin({ log, ...ready }: Ready): void {
    const frames = run?.ready.plan.kind === ready.plan.kind ? run.frames.filter(({ done }) => done <= ready.done) : [];
    run = { ready, log, frames, file: run?.file, savedDone: run?.savedDone ?? 0 };
    last = undefined;
    plan.show(ready.plan);
    showRun();
    app.say('The training has begun.');
  }

  function ended(trouble?: Problem): void {
    trainer = undefined;
    setPhase('idle');
    if (run) showRun();
    else look(); // which may have its own status
    if (trouble || keeping) view.problem(trouble); // or what is there says that nothing could be kept
    const isDone = run !== undefined && run.log.length > 0;
    const status = isDone
      ? `${done() === run!.ready.plan.steps ? 'Finished' : 'Stopped'} after update ${done()} of ${run!.ready.plan.steps}.`
      : trouble
        ? ''
        : 'Stopped before the first update.';
    view.say(status);
    app.say(trouble?.sentence ?? status);
  }

  /** On the page, and to screen readers. */
  function say(status: string): void {
    view.say(status);
    app.say(status);
  }

  const done = (): number => run?.log.at(-1)?.done ?? 0;

  async function keepRun(): Promise<void> {
    showControls();
    if (!keeping || !run) return;
    try {
      await keep(run);
    } catch (error) {
      keeping = false; // once is enough
      view.problem({ sentence: (error as Error).message });
    }
  }

  /** Pictures to train on, or a training to go on with. */
  async function take(chosen: readonly File[]): Promise<void> {
    if (phase !== 'idle' || isReading || chosen.length === 0) return;
    const training = chosen.find(({ name }) => name.endsWith('.safetensors'));
    if (training) {
      const bytes = await training.arrayBuffer().catch(() => undefined);
      if (!bytes) view.problem({ sentence: `${training.name} cannot be read any more. Choose it again.` });
      else if (phase === 'idle') start(new Uint8Array(bytes));
      return;
    }
    isReading = true;
    showControls();
    const sentence = await plan.takePictures(chosen);
    isReading = false;
    showControls();
    view.problem({ sentence });
  }

  // 4. Showing.
  function setPhase(next: Phase): void {
    phase = next;
    showControls();
  }

  function showControls(): void {
    const isIdle = phase === 'idle';
    const isOver = run !== undefined && run.savedDone >= run.ready.plan.steps;
    keepingFocus(() => {
      plan.lock(!isIdle || isReading);
      main.textContent = isIdle ? (run?.file ? 'Start anew' : 'Start') : phase === 'paused' ? 'Play' : 'Pause';
      main.disabled = isReading || phase === 'starting' || phase === 'stopping';
      once.disabled = isIdle ? isReading || isOver : phase !== 'paused';
      stop.disabled = isIdle || phase === 'stopping';
      open.disabled = goOn.disabled = !isIdle || isReading;
      save.disabled = !run?.file;
      goOn.hidden = !isIdle || !run?.file || isOver;
      goOn.textContent = `Go on from update ${run?.savedDone}`;
      classes.element.hidden = plan.kind !== 'generator';
    });
  }

  function showRun(): void {
    if (run) view.show(run);
    showControls();
  }

  function preview(): void {
    if (phase !== 'idle') return;
    putAside();
    view.preview(plan);
    showControls();
  }

  function putAside(): void {
    [run, last] = [undefined, run ?? last];
  }

  /** The last training if it is of the chosen kind, else what one would learn from. */
  function look(): void {
    if (phase !== 'idle') return;
    putAside();
    if (last?.ready.plan.kind !== plan.kind) {
      preview();
      return;
    }
    [run, last] = [last, undefined];
    plan.show(run.ready.plan);
    view.say(`${done()} of ${run.ready.plan.steps} updates.`);
    showRun();
  }

  section.addEventListener('dragover', (event) => event.preventDefault());
  section.addEventListener('drop', (event) => {
    event.preventDefault();
    event.stopPropagation(); // the rest of the page would tokenize it
    void take([...(event.dataTransfer?.files ?? [])]);
  });

  preview();
  kept().then((last) => {
    if (!last || phase !== 'idle') return;
    run = last;
    plan.show(last.ready.plan);
    view.say(`Kept from your last visit: ${done()} of ${last.ready.plan.steps} updates.`);
    showRun();
  }, app.fail);
}

const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;

/** 'Update 7 of 100, 3.1 a second, 30 s left.' */
function rateOf({ point, perSecond, secondsLeft }: Report & { kind: 'step' }, steps: number): string {
  const speed = perSecond < 1 ? `${(1 / perSecond).toFixed(1)} s each` : `${perSecond.toFixed(1)} a second`;
  return `Update ${point.done} of ${steps}, ${speed}, ${duration(secondsLeft)} left.`;
}
