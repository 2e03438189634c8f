/** Exhibit 6: gradient descent looks for tokens that are closer to the picture than the encoder's. */
import type { App } from '../app.ts';
import type { FitPart } from '../engine/fit.ts';
import type { Pixels } from '../engine/model.ts';
import { button, h } from '../ui/dom.ts';
import { penKeys } from '../ui/pen-keys.ts';
import { pictureView, resized, white } from '../ui/picture.ts';

const steps = 60;
const learningRate = 0.01; // the default of fitTokens
const brush = 0.12; // radius, of the picture's side

export function mount(section: HTMLElement, app: App): void {
  const { store, engine } = app;
  const size = () => app.model.size;
  /** [size·size] of 0 and 1; all 0: the whole picture counts. */
  let region = new Uint8Array(0);
  let running = false;
  let isStopped = false;
  let best: FitPart | undefined;

  const original = pictureView('picture drawing', 'the picture');
  const before = pictureView('picture', "the encoder's tokens");
  const after = pictureView('picture', 'fitted tokens');
  const [originalText, beforeText, afterText] = [h('figcaption'), h('figcaption'), h('figcaption')];
  const progress = h('progress', { max: steps, value: 0, 'aria-label': 'updates done' });
  const start = button('Fit', () => (running ? stop() : void fit()), { class: 'main' });
  const take = button('Use it', () => {
    if (best) store.edit(best.ids);
  });
  const whole = button('Whole picture', () => paintNothing());
  const halves = button('Upper half', () => paintWhere((_, y) => y < size() / 2), {
    title: 'a region without a pointer',
  });
  section.append(
    h(
      'div',
      { class: 'three' },
      h('figure', {}, penKeys(original.element, paintAt), originalText),
      h('figure', {}, before.element, beforeText),
      h('figure', {}, after.element, afterText),
    ),
    h('div', { class: 'row' }, start, take, whole, halves, progress),
  );

  function paintNothing(): void {
    region = new Uint8Array(size() ** 2);
    draw();
  }
  function paintWhere(inside: (x: number, y: number) => boolean): void {
    region = Uint8Array.from({ length: size() ** 2 }, (_, p) => Number(inside(p % size(), Math.floor(p / size()))));
    draw();
  }
  const paint = (event: PointerEvent): void => {
    if (!event.isPrimary || !(event.buttons & 1)) return;
    const { left, top, width } = original.element.getBoundingClientRect();
    paintAt((event.clientX - left) / width, (event.clientY - top) / width);
  };
  /** @param u  0..1 from the left   @param v  from the top */
  function paintAt(u: number, v: number): void {
    if (running) return;
    const [x, y] = [u * size(), v * size()];
    for (let p = 0; p < region.length; p++) {
      const [dx, dy] = [(p % size()) + 0.5 - x, Math.floor(p / size()) + 0.5 - y];
      if (Math.hypot(dx, dy) < brush * size()) region[p] = 1;
    }
    draw();
  }
  original.element.addEventListener('pointerdown', paint);
  original.element.addEventListener('pointermove', paint);

  const sourceNow = (): Pixels | undefined => {
    const { source } = store.state;
    return source && resized(source.pixels, size());
  };
  /** The picture, paler where it does not count. */
  function draw(): void {
    const pixels = sourceNow();
    start.disabled = !pixels;
    if (!pixels) {
      original.show(white, 'no picture');
      originalText.textContent = 'These tokens have no original. Choose a picture at the top.';
      return;
    }
    const painted = region.includes(1);
    const shown = pixels.map((value, i) =>
      !painted || region[i >> 2] || i % 4 === 3 ? value : 255 - (255 - value) * 0.35,
    );
    original.show(
      shown,
      painted
        ? 'the picture; what is not painted is pale'
        : 'the picture; paint with the pointer, or with arrow keys and Space',
    );
    originalText.textContent = painted ? 'Only the painted part counts' : 'Paint the part that counts';
  }

  function stop(): void {
    isStopped = true;
    engine.stop('fit');
  }

  async function fit(): Promise<void> {
    running = true;
    isStopped = false;
    best = undefined;
    progress.value = 0;
    take.disabled = whole.disabled = halves.disabled = true;
    start.textContent = 'Stop';
    let from = Number.NaN;
    let to = Number.NaN;
    try {
      await app.ready;
      if (region.length !== size() ** 2) paintNothing(); // another model has come
      const pixels = sourceNow();
      const painted = region.includes(1) ? Array.from(region) : undefined;
      if (pixels && !isStopped)
        await engine.run('fit', [{ original: pixels, region: painted, steps, learningRate }], {
          onPart(part) {
            best = part;
            to = part.psnr;
            progress.value = part.step;
            if (Number.isNaN(from)) {
              from = part.psnr;
              before.show(part.picture, "what the encoder's tokens give");
              beforeText.textContent = `Encoder: ${part.psnr.toFixed(2)} dB`;
            }
            after.show(part.picture, 'what the fitted tokens give');
            afterText.textContent = `Gradient: ${part.psnr.toFixed(2)} dB`;
          },
        });
    } catch (error) {
      app.fail(error);
    }
    running = false;
    start.textContent = 'Fit';
    whole.disabled = halves.disabled = false;
    take.disabled = !best;
    if (best) app.say(`Fitted: from ${from.toFixed(1)} to ${to.toFixed(1)} dB.`);
  }

  take.disabled = true;
  store.on(['source', 'model', 'picture'], ({ source, picture, model }, previous) => {
    if (region.length !== size() ** 2 || source !== previous.source) paintNothing();
    if (source !== previous.source || model !== previous.model) {
      stop();
      best = undefined;
      progress.value = 0;
      take.disabled = true;
    }
    if (running || best) return;
    draw();
    if (picture) {
      before.show(picture, 'what the tokens at hand give');
      beforeText.textContent = 'The tokens at hand';
      after.show(picture, 'not fitted yet');
      afterText.textContent = 'Press Fit';
    }
  });
}
