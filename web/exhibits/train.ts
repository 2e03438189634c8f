/** Exhibit 8: a network learns here, from random numbers on. */
import type { App } from '../app.ts';
import type { Pixels } from '../engine/model.ts';
import type { Curve } from '../training/curve.ts';
import { keep, kept, type Run } from '../training/kept.ts';
import { kinds } from '../training/kinds.ts';
import type { Frame, Kind, Plan, Ready, Report } from '../training/messages.ts';
import { drawShapes, imageSize } from '../training/shapes.ts';
import { deviceNames, type Problem, Trainer } from '../training/trainer.ts';
import { button, choice, h, slider } from '../ui/dom.ts';
import { readPicture } from '../ui/own-pictures.ts';
import { download, pictureView } from '../ui/picture.ts';

const mostSteps = 20_000;
const firstClass = 'face-smiling';
const mostOwn = 2000; // pictures

type Phase = 'idle' | 'starting' | 'running' | 'paused' | 'stopping';

export function mount(section: HTMLElement, app: App): void {
  let phase: Phase = 'idle';
  let kind: Kind = 'generator';
  let own: readonly Pixels[] = [];
  let run: Run | undefined;
  let trainer: Trainer | undefined;
  const { classes: classNames } = app.baked.model; // of the emoji, which it learns to draw
  let className = classNames.includes(firstClass) ? firstClass : classNames[0];
  let shownFrame = -1; // -1: the newest
  let curve: Curve | undefined;
  let keeping = true;
  let startedAt = 0;

  // 1. What to train.
  const what = choice(
    'Train',
    Object.entries(kinds).map(([value, { name }]) => [value, name]),
    kind,
    (value) => {
      kind = value as Kind;
      steps.value = `${kinds[kind].steps}`;
      preview();
    },
  );
  const files = h('input', {
    type: 'file',
    accept: 'image/*',
    multiple: true,
    hidden: true,
    'aria-label': 'Pictures to train on',
    change: () => void take([...(files.files ?? [])]),
  });
  const ownButton = button('Your pictures …', () => files.click());
  const noOwn = button('Shapes instead', () => {
    own = [];
    preview();
  });
  const steps = h('input', { type: 'number', min: 1, max: mostSteps, value: kinds[kind].steps, name: 'steps' });
  const seed = h('input', { type: 'number', min: 0, max: 999_999, value: 1, name: 'seed' });
  const device = choice(
    'Device',
    Object.entries(deviceNames).map(([value, name]) => [value, name]),
    'cpu',
    () => {},
  );
  const field = (label: string, input: HTMLElement) => h('label', { class: 'choice' }, h('span', {}, label), input);
  const plan = h(
    'fieldset',
    { class: 'plan' },
    h('div', { class: 'row' }, what.element, field('Updates', steps), files, ownButton, noOwn),
    h(
      'details',
      {},
      h('summary', {}, 'Advanced'),
      h('div', { class: 'row' }, device.element, field('Seed', seed)),
      h(
        'p',
        { class: 'small' },
        'Graphics processors compile their programs first, up to two minutes. Small networks often train as fast without.',
      ),
    ),
  );

  // 2. The controls.
  const main = button('Start', () => press(), { class: 'main' });
  const once = button('One update', () => {
    if (!trainer) start(run?.file);
    trainer!.tell({ kind: 'play', updates: 1 });
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
    change: () => void take([...(openInput.files ?? [])]),
  });
  const open = button('Open …', () => openInput.click(), { title: 'a training that was downloaded here' });
  const classes = choice(
    'Class',
    classNames.map((name) => [name, name.replaceAll('-', ' ')]),
    className,
    (name) => {
      className = name;
      shownFrame = -1;
      trainer?.tell({ kind: 'class', name });
    },
  );

  // 3. What is seen.
  const about = h('p', { class: 'small' });
  const status = h('p', { class: 'training-status' });
  const bar = h('progress', { 'aria-label': 'Updates done', max: 1, value: 0 });
  const problem = h('div', { class: 'problem', role: 'alert', hidden: true });
  const caption = h('h3', {});
  const pictures = h('div', { class: 'training-pictures' });
  const time = slider(
    'Pictures after update',
    { min: 0, max: 0, value: 0 },
    (i) => {
      shownFrame = i === (run?.frames.length ?? 0) - 1 ? -1 : i;
      showFrame();
    },
    (i) => `${run?.frames[i]?.done ?? 0}`,
  );
  const chart = h('div', { class: 'curve', role: 'img', 'aria-label': 'The curve of the training' });
  const results = h('div', { class: 'training-results' }, h('div', {}, caption, pictures, time.element), chart);
  section.append(
    plan,
    about,
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
    status,
    bar,
    problem,
    results,
  );

  /** What the main button does in each phase. */
  function press(): void {
    if (phase === 'idle') {
      start();
      return;
    }
    const isPaused = phase === 'paused';
    trainer?.tell(isPaused ? { kind: 'play', updates: Number.POSITIVE_INFINITY } : { kind: 'pause' });
    if (isPaused) setPhase('running');
  }

  function start(file?: Uint8Array<ArrayBuffer>): void {
    if (!steps.reportValidity() || !seed.reportValidity()) return;
    if (!file) {
      run = undefined;
      curve?.show([], '');
      pictures.replaceChildren();
    }
    shownFrame = -1;
    startedAt = performance.now();
    keeping = true;
    tellProblem();
    const planned: Plan = { kind, steps: steps.valueAsNumber, seed: seed.valueAsNumber };
    const { file: model, crc32 } = app.baked.models.find(({ name }) => name === 'emoji-32')!;
    trainer = new Trainer(
      {
        kind: 'start',
        device: device.select.value,
        plan: planned,
        pictures: kind === 'generator' ? [] : own,
        file,
        tokenizer: new URL(`models/${model}?${crc32}`, document.baseURI).href,
      },
      { report: hear, ended },
    );
    trainer.tell({ kind: 'slow', slow: slow.checked });
    if (className) trainer.tell({ kind: 'class', name: className });
    setPhase('starting');
    status.textContent = 'Starting …';
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
        addFrame(report.frame);
        break;
      case 'step':
        if (phase === 'starting') setPhase('running');
        run = { ...run!, log: [...run!.log, report.point] };
        showStep(report);
        break;
      case 'saved':
        run = { ...run!, file: report.file, savedDone: report.done };
        void keepRun();
        break;
      case 'paused':
        setPhase('paused');
        status.textContent = `Paused after update ${done()} of ${run!.ready.plan.steps}.`;
        app.say(status.textContent);
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
      status.textContent = `${what} … ${Math.round((performance.now() - startedAt) / 1000)} s`;
      setTimeout(tick, 1000);
    };
    preparing = tick;
    tick();
  }
  let preparing: (() => void) | undefined;

  function begin({ log, ...ready }: Ready): void {
    const frames = run?.ready.plan.kind === ready.plan.kind ? run.frames.filter(({ done }) => done <= ready.done) : [];
    run = { ready, log, frames, file: run?.file, savedDone: run?.savedDone ?? 0 };
    showPlan(ready.plan);
    showRun();
    app.say('The training has begun.');
  }

  function ended(trouble?: Problem): void {
    trainer = undefined;
    setPhase('idle');
    if (!run) preview(); // which has its own status
    const isDone = run !== undefined && run.log.length > 0;
    status.textContent = isDone
      ? `${done() === run!.ready.plan.steps ? 'Finished' : 'Stopped'} after update ${done()} of ${run!.ready.plan.steps}.`
      : trouble
        ? ''
        : 'Stopped before the first update.';
    if (trouble || keeping) tellProblem(trouble); // or what is there says that nothing could be kept
    if (trouble) app.say(trouble.sentence);
    else app.say(status.textContent);
  }

  const done = (): number => run?.log.at(-1)?.done ?? 0;

  async function keepRun(): Promise<void> {
    showControls();
    if (!keeping || !run) return;
    try {
      await keep(run);
    } catch (error) {
      keeping = false; // once is enough
      tellProblem({ sentence: (error as Error).message });
    }
  }

  /** Pictures to train on, or a training to go on with. */
  async function take(chosen: readonly File[]): Promise<void> {
    files.value = openInput.value = '';
    if (phase !== 'idle' || chosen.length === 0) return;
    const training = chosen.find(({ name }) => name.endsWith('.safetensors'));
    if (training) {
      run = undefined;
      return start(new Uint8Array(await training.arrayBuffer()));
    }
    const read = await Promise.allSettled(chosen.slice(0, mostOwn).map((file) => readPicture(file, imageSize)));
    own = read.flatMap((result) => (result.status === 'fulfilled' ? [result.value.pixels] : []));
    const bad = chosen.filter((_, i) => read[i]?.status === 'rejected').map(({ name }) => name);
    if (kind === 'generator' && own.length > 0) {
      what.select.value = 'titok';
      what.select.dispatchEvent(new Event('change'));
    }
    const used = own.length === 0 ? 'Nothing is left to train on.' : `The other ${own.length} are used.`;
    tellProblem(
      bad.length > 0
        ? { sentence: `${list(bad)}: no picture that this browser can read. ${used}` }
        : chosen.length > mostOwn
          ? { sentence: `Only the first ${mostOwn} pictures are used.` }
          : undefined,
    );
    preview();
  }

  // 4. Showing.
  function setPhase(next: Phase): void {
    phase = next;
    showControls();
  }

  function showControls(): void {
    const isIdle = phase === 'idle';
    const isOver = run !== undefined && run.savedDone >= run.ready.plan.steps;
    plan.disabled = !isIdle;
    main.textContent = isIdle ? (run?.file ? 'Start anew' : 'Start') : phase === 'paused' ? 'Play' : 'Pause';
    main.disabled = phase === 'starting' || phase === 'stopping';
    once.disabled = isIdle ? isOver : phase !== 'paused';
    stop.disabled = isIdle || phase === 'stopping';
    open.disabled = !isIdle;
    save.disabled = !run?.file;
    goOn.hidden = !isIdle || !run?.file || isOver;
    goOn.textContent = `Go on from update ${run?.savedDone}`;
    classes.element.hidden = kind !== 'generator';
    ownButton.hidden = kind === 'generator';
    noOwn.hidden = kind === 'generator' || own.length === 0;
  }

  /** Makes the fields say what is trained. */
  function showPlan(plan: Plan): void {
    kind = plan.kind;
    what.select.value = kind;
    steps.value = `${plan.steps}`;
    seed.value = `${plan.seed}`;
  }

  function tellProblem({ sentence = '', detail }: Partial<Problem> = {}): void {
    problem.hidden = sentence === '';
    problem.replaceChildren(
      sentence,
      ...(detail ? [h('details', {}, h('summary', {}, 'What the library says'), h('p', {}, detail))] : []),
    );
  }

  function showStep({ point, perSecond, secondsLeft }: Report & { kind: 'step' }): void {
    const { plan } = run!.ready;
    const speed = perSecond < 1 ? `${(1 / perSecond).toFixed(1)} s each` : `${perSecond.toFixed(1)} a second`;
    bar.value = point.done / plan.steps;
    if (phase !== 'paused')
      status.textContent = `Update ${point.done} of ${plan.steps}, ${speed}, ${duration(secondsLeft)} left.`;
    void showCurve();
  }

  async function showCurve(): Promise<void> {
    if (!run || run.log.length === 0) return;
    chart.hidden = false;
    curve ??= (await import('../training/curve.ts')).curve(chart);
    if (run) curve.show(run.log, kinds[run.ready.plan.kind].figure);
  }

  function addFrame(frame: Frame): void {
    const frames = run!.frames.filter(({ done }) => done !== frame.done);
    run = { ...run!, frames: [...frames, frame] };
    time.limits(0, frames.length);
    if (shownFrame < 0) time.set(frames.length);
    showFrame();
  }

  function showFrame(): void {
    const frame = run?.frames.at(shownFrame);
    if (!run || !frame) return;
    const { originals, heldOut, learned } = run.ready;
    const quality = frame.psnr === undefined ? '' : `, ${frame.psnr.toFixed(1)} dB`;
    caption.textContent =
      kind === 'generator'
        ? 'New pictures, drawn from tokens'
        : heldOut > 0
          ? `Pictures that it never trains on${quality}`
          : `Pictures that it learns from (${learned} are too few to hold some out)${quality}`;
    pictures.replaceChildren(
      ...frame.pictures.map((picture, i) => {
        const output = pictureView('', '');
        output.show(picture, originals.length > 0 ? `what the model makes of picture ${i + 1}` : `sample ${i + 1}`);
        const ids = frame.ids?.[i];
        const text = ids ? `${ids.slice(0, 4).join(' ')} …` : 'no tokens yet';
        const label = h('figcaption', { title: ids?.join(' ') }, text);
        if (!originals[i]) return h('figure', {}, output.element, label);
        const original = pictureView('', '');
        original.show(originals[i], `picture ${i + 1}`);
        return h('figure', {}, original.element, output.element, label);
      }),
    );
  }

  /** All of a run that is there: one that begins, or that was kept. */
  function showRun(): void {
    if (!run) return;
    bar.hidden = false;
    about.textContent = `${kinds[kind].about} ${run.ready.learned.toLocaleString('en')} to learn from, ${run.ready.heldOut || 'none'} held out, ${run.ready.parameters.toLocaleString('en')} weights, ${run.ready.threads === 1 ? 'one thread' : `${run.ready.threads} threads`}.`;
    bar.value = done() / run.ready.plan.steps;
    time.element.hidden = false;
    time.limits(0, Math.max(0, run.frames.length - 1));
    time.set(run.frames.length - 1);
    chart.hidden = run.log.length === 0;
    showFrame();
    showControls();
    void showCurve();
  }

  /** Before the first update: what it learns from. */
  function preview(): void {
    showControls();
    if (phase !== 'idle') return;
    run = undefined;
    bar.hidden = true;
    about.textContent = kinds[kind].about;
    status.textContent = own.length > 0 && kind !== 'generator' ? `${own.length} pictures of yours.` : '';
    chart.hidden = time.element.hidden = true;
    caption.textContent =
      kind === 'generator' ? 'Each picture is a row of tokens, as these are' : 'It learns from pictures such as these';
    const random = randomOf(7);
    const some =
      kind === 'generator'
        ? app.baked.rows.map(({ picture, name }) => h('img', { src: picture, alt: name }))
        : (own.length > 0 ? own.slice(0, 8) : drawShapes(8, imageSize, random)).map((pixels, i) => {
            const view = pictureView('', '');
            view.show(pixels, `picture ${i + 1}`);
            return view.element;
          });
    pictures.replaceChildren(...some.map((picture) => h('figure', {}, picture)));
    showControls();
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
    showPlan(last.ready.plan);
    status.textContent = `Kept from your last visit: ${done()} of ${last.ready.plan.steps} updates.`;
    showRun();
  }, app.fail);
}

const list = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');

const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;

/** Numbers of [0, 1) for pictures that only have to look alike at every visit. */
function randomOf(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    return x / 2 ** 32;
  };
}
