/** Exhibit 5: MaskGIT draws a picture step by step, and draws parts of it again. */
import type { App } from '../app.ts';
import type { FilmStep } from '../engine/film.ts';
import type { Pixels } from '../engine/model.ts';
import { bakedSteps, isBaked } from '../film/baked.ts';
import { filmFile } from '../film/file.ts';
import { type Film, frameMs, Player } from '../film/player.ts';
import { filmKnobs, limits, type Settings, schedules, settingsOf } from '../film/settings.ts';
import { stepRow } from '../film/step-row.ts';
import { filmStrip } from '../film/strip.ts';
import { rowToText } from '../link.ts';
import { classChoice } from '../ui/class-choice.ts';
import { button, choice, focusKeeper, h, slider } from '../ui/dom.ts';
import { lasso } from '../ui/lasso.ts';
import { download, pictureView } from '../ui/picture.ts';

export function mount(section: HTMLElement, app: App): void {
  const { store, engine } = app;
  /** Without a film the picture at hand is shown. */
  const player = new Player(render);
  let locks: ReadonlySet<number> = new Set();
  let settling: ReturnType<typeof setTimeout> | undefined;
  let isOwnChange = false;
  let draws = 0;
  const keepingFocus = focusKeeper(section);
  const reduced = matchMedia('(prefers-reduced-motion: reduce)');

  // What is drawn.
  const settings = (): Settings => settingsOf(store.state, app);
  const keyOf = (of: Settings) => JSON.stringify([store.state.model, of]);
  /** The finished row that is shown. */
  const shown = (): readonly number[] => {
    const { film, last } = player;
    return film?.isComplete ? film.steps[last].ids : store.state.row;
  };
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
    player.stop();
    const number = ++draws;
    const { links, ready } = app;
    try {
      await ready;
      const locksBefore = locks;
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
          if (!isPlayed || player.film === next) return;
          player.load(next);
          player.play();
        },
      });
      if (count === undefined) {
        // replaced by another one, or dropped because a model was loaded
        if (number === draws && ready !== app.ready) void draw({ play, use: use && links === app.links });
        return;
      }
      next.isComplete = true;
      if (player.film !== next) player.load(next, steps);
      if (locks === locksBefore) locks = new Set(start?.flatMap((id, place) => (id < app.model.codes ? [place] : [])));
      if (use && links === app.links) {
        takeLast(next);
        app.say(`Drawn: ${words(className)}, seed ${seed}, in ${steps} steps.`);
      }
      render();
    } catch (error) {
      if (player.film?.isComplete === false) player.load(undefined);
      render();
      app.fail(error);
    }
  }
  /** The last picture of a film becomes the one at hand. */
  function takeLast({ steps }: Film): void {
    const { ids, picture } = steps.at(-1)!;
    store.edit(ids, { picture, pictured: ids, source: undefined });
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

  const toggle = () => {
    const { film, at, last, isPlaying } = player;
    if (isPlaying) return player.goTo(at);
    if (!film) return void draw({ play: true, use: true });
    if (at >= last) player.load(film);
    player.play();
  };

  // What is on the page.
  const first = settings();
  const classes = classChoice('Class', app.model.classes, words, first.className, (className) => {
    change({ class: className, start: undefined });
    void draw({ play: true, use: true });
  });
  let isTyping = false; // a film that arrives meanwhile leaves the number as it is
  const seed = h('input', {
    type: 'number',
    value: first.seed,
    step: 1,
    input: () => {
      isTyping = true;
    },
    blur: () => {
      isTyping = false;
    },
    change: () => {
      isTyping = false;
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
  const row = stepRow(app, (place) => {
    const next = new Set(locks);
    if (!next.delete(place)) next.add(place);
    lock(next);
  });
  const play = button('Play', toggle, { class: 'main' });
  const back = button('◀', () => player.goTo(player.at - 1), { 'aria-label': 'one step back' });
  const forth = button('▶', () => player.goTo(player.at + 1), { 'aria-label': 'one step on' });
  const scrub = slider('Step', { min: 0, max: first.steps, value: 0 }, (step) => player.goTo(step));
  const strip = filmStrip((step) => player.goTo(step));
  const drawAgain = button('Another', another);
  const invert = button('Swap locks', () => lock(new Set(shown().flatMap((_, i) => (locks.has(i) ? [] : [i])))));
  const unlock = button('Unlock all', () => lock(new Set()));
  const use = button('Use it', () => {
    if (player.film) takeLast(player.film);
    app.say('The last picture of the film is the picture at hand now.');
  });
  const take = button('Take the picture at hand', () => {
    player.load(undefined);
    locks = new Set();
    render();
  });
  const save = button('Save film', async () => {
    try {
      const { film } = player;
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
        strip.element,
      ),
    ),
    h('div', { class: 'row' }, temperature.element, guidance.element, steps.element, schedule.element),
    h('div', { class: 'row' }, use, take, save),
  );
  const noClasses = h('p', { hidden: true }, 'This model has no generator. Choose another one above.');
  section.append(noClasses, controls);

  function lock(next: ReadonlySet<number>): void {
    player.stop();
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

  function render(): void {
    const { codes, classes } = app.model;
    noClasses.hidden = classes.length > 0;
    controls.hidden = classes.length === 0;
    const { film, at, last, isPlaying } = player;
    const step: FilmStep = film?.steps[at] ?? {
      ids: store.state.row,
      guesses: store.state.row,
      confidence: [],
      picture: store.state.picture,
    };
    row.show(step, locks);
    const kept = step.ids.filter((id) => id < codes).length;
    const picture = step.picture ?? (film ? blank(app.model.size) : undefined);
    if (picture)
      view.show(picture, film ? `the picture of the guesses of step ${at} of ${last}` : 'the picture at hand');
    caption.textContent = film ? `${kept} of ${step.ids.length} tokens kept` : 'the picture at hand';
    scrub.limits(0, last);
    scrub.set(at);
    play.textContent = isPlaying ? 'Pause' : 'Play';
    const isAtHand = `${shown()}` === `${store.state.row}`;
    keepingFocus(() => {
      back.disabled = !film || at === 0;
      forth.disabled = !film || at >= last;
      drawAgain.textContent = locks.size > 0 ? 'Draw the rest again' : 'Another';
      invert.hidden = unlock.hidden = locks.size === 0;
      use.hidden = take.hidden = !film?.isComplete || isAtHand;
      save.disabled = !film?.isComplete;
    });
    strip.show(film?.steps ?? [], at);
  }

  // What happens elsewhere.
  store.on(['row', 'picture', 'knobs', 'seed', 'model', 'loads'], (state, before) => {
    const of = settings();
    const { film } = player;
    classes.set(app.model.classes, of.className);
    if (!isTyping) seed.valueAsNumber = of.seed;
    for (const [name, { set }] of Object.entries({ temperature, guidance, steps }))
      set(of[name as keyof typeof limits]);
    schedule.select.value = of.schedule;
    if (state.model !== before.model || (state.row !== before.row && `${state.row}` !== `${shown()}`)) {
      const old = shown();
      player.load(undefined);
      locks = new Set([...locks].filter((place) => state.row[place] === old[place]));
    }
    const isOther = state.seed !== before.seed || filmKnobs(state) !== filmKnobs(before);
    if (isOther && !isOwnChange && player.film?.key !== keyOf(of))
      void draw({ play: false, use: false }); // a link was opened
    else if (state.model !== before.model && film) void draw({ play: false, use: false }); // the same by another model
    render();
  });

  if (isBaked(app)) void showBaked().catch(app.fail);
  else void draw({ play: false, use: false });

  async function showBaked(): Promise<void> {
    const key = keyOf(settings());
    const steps = await bakedSteps(app);
    if (player.film || key !== keyOf(settings())) return;
    player.load({ key, steps, isComplete: true }, steps.length - 1);
    render();
    if (reduced.matches) return;
    const seen = new IntersectionObserver(
      ([{ isIntersecting }]) => {
        if (!isIntersecting) return;
        seen.disconnect();
        if (player.film?.key === key && !player.isPlaying) toggle();
      },
      { threshold: 0.6 },
    );
    seen.observe(controls);
  }
}

/** 'face-smiling' → 'face: smiling', 'cat-face' → 'cat face' */
const words = (name: string): string =>
  name.replace(/^(face|hand|person|animal|plant|food|place|transport)-/, '$1: ').replaceAll('-', ' ');

/** The picture of masks: gray. */
const blank = (size: number): Pixels =>
  new Uint8ClampedArray(4 * size * size).fill(255).map((_, i) => (i % 4 === 3 ? 255 : 222));
