/** Exhibit 5: MaskGIT draws a picture step by step, and draws parts of it again. */
import bakedFilm from 'virtual:baked-film';
import type { App } from '../app.ts';
import type { FilmStep } from '../engine/film.ts';
import type { Pixels } from '../engine/model.ts';
import { rowToText, textToRow } from '../link.ts';
import type { State } from '../store.ts';
import { chips } from '../ui/chips.ts';
import { classChoice } from '../ui/class-choice.ts';
import { button, choice, h, slider } from '../ui/dom.ts';
import { filmFile } from '../ui/film-file.ts';
import { lasso } from '../ui/lasso.ts';
import { download, pictureView, squarePixels } from '../ui/picture.ts';

const frameMs = 300;
const schedules = ['arccos', 'cosine', 'linear', 'root', 'square'] as const;
const limits = {
  temperature: { min: 0, max: 10, step: 0.5 },
  guidance: { min: 0, max: 10, step: 0.5 },
  steps: { min: 1, max: 24, step: 1 },
} as const;

/** What a film is drawn from, as the knobs say it. Equal settings give equal films. */
interface Settings {
  readonly className: string;
  readonly seed: number;
  readonly temperature: number;
  readonly guidance: number;
  readonly steps: number;
  readonly schedule: (typeof schedules)[number];
  /** Where tokens were locked: the ids to keep, and the number of codes where a token is drawn. */
  readonly start: readonly number[] | undefined;
}

/** A film that has arrived so far. */
interface Film {
  /** Of its settings. */
  readonly key: string;
  readonly steps: FilmStep[];
  isComplete: boolean;
}

export function mount(section: HTMLElement, app: App): void {
  const { store, engine, baked } = app;
  /** Undefined: the picture at hand is shown, which is no film. */
  let film: Film | undefined;
  let at = 0;
  let locks: ReadonlySet<number> = new Set();
  let playing: ReturnType<typeof setTimeout> | undefined;
  let settling: ReturnType<typeof setTimeout> | undefined;
  let isOwnChange = false;
  const reduced = matchMedia('(prefers-reduced-motion: reduce)');

  // What is drawn.
  const settings = (): Settings => settingsOf(store.state, app);
  const keyOf = (of: Settings) => JSON.stringify([store.state.model, of]);
  /** The finished row that is shown. */
  const shown = (): readonly number[] => (film?.isComplete ? film.steps[film.steps.length - 1].ids : store.state.row);
  const change = (knobs: Readonly<Record<string, string | number | undefined>>, seed = store.state.seed) => {
    const next = { ...store.state.knobs };
    for (const [name, value] of Object.entries(knobs)) {
      if (value === undefined) delete next[`film.${name}`];
      else next[`film.${name}`] = `${value}`;
    }
    isOwnChange = true;
    store.set({ knobs: next, seed });
    isOwnChange = false;
  };

  /** Draws the film that the settings say. `play` plays it, `use` makes its row the one at hand. */
  async function draw({ play, use }: { play: boolean; use: boolean }): Promise<void> {
    clearTimeout(settling);
    stop();
    try {
      await app.ready;
      if (app.model.classes.length === 0) return;
      const { className, seed, temperature, guidance, steps, schedule, start } = settings();
      const next: Film = { key: keyOf(settings()), steps: [], isComplete: false };
      const label = app.model.classes.indexOf(className);
      const sampling = {
        ...app.model.sampling,
        steps,
        schedule,
        guidanceScale: guidance,
        randomizeTemperature: temperature,
      };
      const isPlayed = play && !reduced.matches;
      const count = await engine.run('film', [{ label, seed, sampling, start }], {
        onPart(some) {
          next.steps.push(...some);
          if (!isPlayed || film === next) return;
          film = next;
          at = 0;
          playOn();
        },
      });
      if (count === undefined) return; // replaced by another one
      next.isComplete = true;
      if (film !== next) {
        film = next;
        at = steps;
      }
      locks = new Set(start?.flatMap((id, place) => (id < app.model.codes ? [place] : [])));
      if (use) store.edit(shown(), { picture: next.steps[steps].picture });
      if (use) app.say(`Drawn: ${words(className)}, seed ${seed}, in ${steps} steps.`);
      render();
    } catch (error) {
      app.fail(error);
    }
  }
  /** Draws a new film: of all tokens, or of those that are not locked. */
  const another = () => {
    const { codes } = app.model;
    const start = shown().map((id, place) => (locks.has(place) ? id : codes));
    change({ start: locks.size > 0 ? rowToText(start, codes + 1) : undefined }, store.state.seed + 1);
    void draw({ play: true, use: true });
  };
  /** Draws the film again once a slider has come to rest. */
  const drawSoon = () => {
    clearTimeout(settling);
    settling = setTimeout(() => void draw({ play: false, use: true }), 150);
  };

  // Playing.
  const stop = () => {
    clearTimeout(playing);
    playing = undefined;
  };
  const playOn = () => {
    render();
    clearTimeout(playing);
    playing = setTimeout(() => {
      const isLast = film === undefined || (film.isComplete && at >= film.steps.length - 1);
      if (isLast) stop();
      else at = Math.min(film!.steps.length - 1, at + 1);
      if (isLast) render();
      else playOn();
    }, frameMs);
    play.textContent = 'Pause';
  };
  const goTo = (step: number) => {
    stop();
    at = Math.min((film?.steps.length ?? 1) - 1, Math.max(0, step));
    render();
  };
  const toggle = () => {
    if (playing) return goTo(at);
    if (!film) return void draw({ play: true, use: true });
    if (at >= film.steps.length - 1) at = 0;
    playOn();
  };

  // What is on the page.
  const first = settings();
  const classes = classChoice('Class', app.model.classes, words, first.className, (className) => {
    change({ class: className, start: undefined });
    void draw({ play: true, use: true });
  });
  const seed = h('input', {
    type: 'number',
    value: first.seed,
    step: 1,
    change: () => {
      if (!Number.isSafeInteger(seed.valueAsNumber)) seed.valueAsNumber = store.state.seed;
      change({}, seed.valueAsNumber);
      void draw({ play: true, use: true });
    },
  });
  const knob = (label: string, name: keyof typeof limits) =>
    slider(label, { ...limits[name], value: first[name] }, (value) => {
      change({ [name]: value });
      drawSoon();
    });
  const temperature = knob('Temperature', 'temperature');
  const guidance = knob('Guidance', 'guidance');
  const steps = knob('Steps', 'steps');
  const schedule = choice(
    'Schedule',
    schedules.map((name) => [name, name]),
    first.schedule,
    (name) => {
      change({ schedule: name });
      drawSoon();
    },
  );
  const view = pictureView('picture', 'the picture of the guesses');
  const caption = h('figcaption', {});
  const region = lasso(view.element, (rectangle) => void lockIn(rectangle));
  const row = chips(app, {
    label: 'Tokens of this step; pressed ones are locked',
    pick(place) {
      const next = new Set(locks);
      if (!next.delete(place)) next.add(place);
      lock(next);
    },
  });
  const play = button('Play', toggle, { class: 'main' });
  const back = button('◀', () => goTo(at - 1), { 'aria-label': 'one step back' });
  const forth = button('▶', () => goTo(at + 1), { 'aria-label': 'one step on' });
  const scrub = slider('Step', { min: 0, max: first.steps, value: 0 }, goTo);
  const strip = h('div', { class: 'strip' });
  const drawAgain = button('Another', another);
  const invert = button('Swap locks', () => lock(new Set(shown().flatMap((_, i) => (locks.has(i) ? [] : [i])))));
  const unlock = button('Unlock all', () => lock(new Set()));
  const use = button('Use it', () => {
    store.edit(shown(), { picture: film?.steps[film.steps.length - 1].picture });
    app.say('The last picture of the film is the picture at hand now.');
  });
  const take = button('Take the picture at hand', () => {
    stop();
    film = undefined;
    locks = new Set();
    render();
  });
  const save = button('Save film', async () => {
    try {
      if (!film?.isComplete) return;
      await app.ready;
      const { className, seed } = settings();
      const frames = await filmFile(film.steps, app.colors);
      const file = await engine.run('animate', [frames, { milliseconds: frameMs }]);
      if (file) download(new Blob([file], { type: 'image/png' }), `${className}-${seed}.png`);
    } catch (error) {
      app.fail(error);
    }
  });
  const controls = h(
    'div',
    {},
    h(
      'div',
      { class: 'row' },
      classes.element,
      h('label', { class: 'choice' }, h('span', {}, 'Seed'), seed),
      drawAgain,
      invert,
      unlock,
    ),
    h(
      'div',
      { class: 'film' },
      h('figure', {}, region, caption),
      h(
        'div',
        {},
        row.element,
        h(
          'p',
          { class: 'small' },
          'Hatched: masked, and only guessed. Bar: how sure it is. Click a token to lock it, or drag over the picture to lock what draws that part.',
        ),
        h('div', { class: 'row' }, play, back, forth, scrub.element),
        strip,
      ),
    ),
    h('div', { class: 'row' }, temperature.element, guidance.element, steps.element, schedule.element),
    h('div', { class: 'row' }, use, take, save),
  );
  const noClasses = h('p', { hidden: true }, 'This model has no generator. Choose another one above.');
  section.append(noClasses, controls);

  function lock(next: ReadonlySet<number>): void {
    stop();
    locks = next;
    render();
    app.say(`${locks.size} of ${app.model.tokens} tokens are locked.`);
  }

  /** Locks the tokens of which at least the average share lies in a rectangle. */
  async function lockIn(rectangle: Parameters<Parameters<typeof lasso>[1]>[0]): Promise<void> {
    try {
      await app.ready;
      const row = shown();
      app.say('Looking at what each token changes …');
      const shares = await engine.run('sharesIn', [row, rectangle], {
        onPart: (done) => app.say(`Looking at what each token changes, ${done} of ${row.length} …`),
      });
      if (!shares || row !== shown()) return;
      const average = shares.reduce((a, b) => a + b, 0) / shares.length;
      lock(new Set(shares.flatMap((share, place) => (share >= average ? [place] : []))));
    } catch (error) {
      app.fail(error);
    }
  }

  let stripOf: Pixels | undefined;
  function render(): void {
    const { codes, classes } = app.model;
    noClasses.hidden = classes.length > 0;
    controls.hidden = classes.length === 0;
    const last = film ? film.steps.length - 1 : 0;
    const step: FilmStep = film?.steps[at] ?? {
      ids: store.state.row,
      guesses: store.state.row,
      confidence: [],
      picture: store.state.picture,
    };
    const isMasked = (place: number) => step.ids[place] === codes;
    row.show(
      step.guesses,
      (place) => locks.has(place),
      (place) =>
        `${isMasked(place) ? ', masked, only guessed' : ''}${film ? `, ${Math.round(100 * step.confidence[place])} % sure` : ''}`,
    );
    row.chips.forEach((chip, place) => {
      chip.classList.toggle('masked', isMasked(place));
      if (isMasked(place)) chip.style.backgroundColor = '';
      chip.style.setProperty('--sure', `${step.confidence[place] ?? 0}`);
      chip.style.setProperty('--code', app.colors[step.guesses[place]] ?? 'transparent');
      if (step.guesses[place] === codes) {
        chip.textContent = '';
        chip.setAttribute('aria-label', `token ${place + 1}: masked`);
      }
    });
    const kept = step.ids.filter((id) => id < codes).length;
    const picture = step.picture ?? (film ? blank(app.model.size) : undefined);
    if (picture)
      view.show(picture, film ? `the picture of the guesses of step ${at} of ${last}` : 'the picture at hand');
    caption.textContent = film ? `${kept} of ${step.ids.length} tokens kept` : 'the picture at hand';
    scrub.limits(0, last);
    scrub.set(at);
    play.textContent = playing ? 'Pause' : 'Play';
    back.disabled = !film || at === 0;
    forth.disabled = !film || at >= last;
    drawAgain.textContent = locks.size > 0 ? 'Draw the rest again' : 'Another';
    invert.hidden = unlock.hidden = locks.size === 0;
    const isAtHand = `${shown()}` === `${store.state.row}`;
    use.hidden = take.hidden = !film?.isComplete || isAtHand;
    save.disabled = !film?.isComplete;
    const newest = film?.steps[last].picture;
    if (newest !== stripOf || !film) showStrip();
    stripOf = newest;
    [...strip.children].forEach((frame, i) => {
      if (i === at - 1) frame.setAttribute('aria-current', 'step');
      else frame.removeAttribute('aria-current');
    });
  }
  function showStrip(): void {
    strip.replaceChildren(
      ...(film?.steps.slice(1) ?? []).map(({ picture }, i) => {
        const small = pictureView('', `step ${i + 1}`);
        if (picture) small.show(picture, `step ${i + 1}`);
        return h(
          'button',
          { type: 'button', class: 'frame', tabindex: -1, 'aria-label': `step ${i + 1}`, click: () => goTo(i + 1) },
          small.element,
        );
      }),
    );
  }

  // What happens elsewhere.
  store.on(['row', 'picture', 'knobs', 'seed', 'model'], (state, before) => {
    const of = settings();
    const hadFilm = film !== undefined;
    classes.set(app.model.classes, of.className);
    seed.valueAsNumber = of.seed;
    for (const [name, { set }] of Object.entries({ temperature, guidance, steps }))
      set(of[name as keyof typeof limits]);
    schedule.select.value = of.schedule;
    if (state.model !== before.model || (state.row !== before.row && `${state.row}` !== `${shown()}`)) {
      const old = shown();
      stop();
      film = undefined;
      locks = new Set([...locks].filter((place) => state.row[place] === old[place]));
    }
    const isOther = state.seed !== before.seed || filmKnobs(state) !== filmKnobs(before);
    if (isOther && !isOwnChange && film?.key !== keyOf(of))
      void draw({ play: false, use: false }); // a link was opened
    else if (state.model !== before.model && hadFilm) void draw({ play: false, use: false }); // the same by another model
    render();
  });

  const isBaked =
    first.className === bakedFilm.className && first.seed === bakedFilm.seed && filmKnobs(store.state) === '[]';
  if (store.state.model !== baked.model.name || !isBaked) void draw({ play: false, use: false });
  else void showBaked().catch(app.fail);

  async function showBaked(): Promise<void> {
    const { steps, pictures } = bakedFilm;
    const { size } = baked.model;
    const key = keyOf(settings());
    const tiles = await tilesOf(pictures, size);
    if (film || key !== keyOf(settings())) return;
    let tile = 0;
    film = {
      key,
      steps: steps.map((step) => ({
        ...step,
        picture: step.guesses.includes(baked.model.codes) ? undefined : tiles[tile++],
      })),
      isComplete: true,
    };
    at = steps.length - 1;
    render();
    if (reduced.matches) return;
    const seen = new IntersectionObserver(
      ([{ isIntersecting }]) => {
        if (!isIntersecting) return;
        seen.disconnect();
        if (film?.key === key && !playing) toggle();
      },
      { threshold: 0.6 },
    );
    seen.observe(controls);
  }
}

function settingsOf({ knobs, seed }: State, { model }: App): Settings {
  const { classes, sampling, tokens, codes } = model;
  const number = (name: keyof typeof limits, usual: number): number => {
    const { min, max } = limits[name];
    const value = Number(knobs[`film.${name}`] ?? Number.NaN);
    return Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : usual;
  };
  const className = [knobs['film.class'], bakedFilm.className].find((name) => name && classes.includes(name));
  const schedule = [knobs['film.schedule'], sampling.schedule].find((name) =>
    schedules.some((known) => known === name),
  );
  return {
    className: className ?? classes[0] ?? '',
    seed,
    temperature: number('temperature', sampling.randomizeTemperature),
    guidance: number('guidance', sampling.guidanceScale),
    steps: Math.round(number('steps', sampling.steps)),
    schedule: (schedule ?? 'arccos') as Settings['schedule'],
    start: textToRow(knobs['film.start'] ?? '-', tokens, codes + 1),
  };
}

const filmKnobs = ({ knobs }: State): string =>
  JSON.stringify(Object.entries(knobs).filter(([name]) => name.startsWith('film.')));

/** 'face-smiling' → 'face: smiling', 'cat-face' → 'cat face' */
const words = (name: string): string =>
  name.replace(/^(face|hand|person|animal|plant|food|place|transport)-/, '$1: ').replaceAll('-', ' ');

/** The picture of masks: gray. */
const blank = (size: number): Pixels =>
  new Uint8ClampedArray(4 * size * size).fill(255).map((_, i) => (i % 4 === 3 ? 255 : 222));

/** Square tiles of a picture, from left to right. */
async function tilesOf(url: string, size: number): Promise<Pixels[]> {
  const sheet = new Image();
  sheet.src = url;
  await sheet.decode();
  return Promise.all(
    Array.from({ length: sheet.naturalWidth / size }, async (_, i) =>
      squarePixels(await createImageBitmap(sheet, i * size, 0, size, size), size, size, size),
    ),
  );
}
