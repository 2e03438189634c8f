/** Exhibit 4: what the first tokens of a picture are worth. It has a model of its own, trained with dropped tails. */
import type { App } from '../app.ts';
import { Engine } from '../engine/client.ts';
import type { Pixels } from '../engine/model.ts';
import { bytesOf } from '../link.ts';
import { h, slider } from '../ui/dom.ts';
import { type LengthPoint, lengthCurve } from '../ui/length-curve.ts';
import { pictureView, psnrOf, resized } from '../ui/picture.ts';

const modelUrl = new URL('../assets/emoji-few.safetensors', import.meta.url).href;

export function mount(section: HTMLElement, app: App): void {
  const { store } = app;
  const { size, tokens, codes, average, bytes } = app.baked.few;
  const engine = new Engine(); // the model of the other exhibits stays in theirs
  let original: Pixels | undefined;
  let pictures: Pixels[] = []; // of the first token, the first two, …

  const view = pictureView('picture', 'what the first tokens make');
  const caption = h('figcaption', {});
  const goal = pictureView('picture', 'the picture');
  const range = slider('First tokens', { min: 1, max: tokens, value: 4 }, (k) => store.knob('few.k', k));
  const tiles = Array.from({ length: tokens }, (_, i) => {
    const picture = pictureView('', `from ${count(i + 1)}`);
    // the slider does the same by keyboard
    const element = h(
      'button',
      { type: 'button', tabindex: -1, title: count(i + 1), click: () => store.knob('few.k', i + 1) },
      picture.element,
    );
    return { element, picture };
  });
  const curve = lengthCurve(tokens);
  const note = h('p', { class: 'small' });
  section.append(
    h(
      'div',
      { class: 'flow' },
      h('figure', {}, goal.element, h('figcaption', {}, `at ${size} × ${size} pixels`)),
      h(
        'div',
        { class: 'between' },
        range.element,
        h('div', { class: 'strip' }, ...tiles.map((tile) => tile.element)),
        h(
          'figure',
          { class: 'curve-figure' },
          curve.element,
          h(
            'figcaption',
            {},
            h('span', { class: 'key own' }),
            ' this picture ',
            h('span', { class: 'key average' }),
            ' held-out emoji',
          ),
        ),
      ),
      h('figure', {}, view.element, caption),
    ),
    note,
  );

  const chosen = (): number => {
    const k = Number(store.state.knobs['few.k'] ?? 4);
    return Number.isInteger(k) && k >= 1 && k <= tokens ? k : 4;
  };
  function show(): void {
    const k = chosen();
    range.set(k);
    if (original) goal.show(original, 'the picture');
    const own = original
      ? pictures.map((picture, i): LengthPoint => [i + 1, Math.min(99, psnrOf(original!, picture))])
      : [];
    curve.show(own, average, k);
    tiles.forEach(({ element, picture }, i) => {
      element.setAttribute('aria-pressed', `${i + 1 === k}`);
      if (pictures[i]) picture.show(pictures[i], `from ${count(i + 1)}`);
      element.classList.toggle('waiting', !pictures[i]);
    });
    const picture = pictures[k - 1];
    if (!picture) return;
    view.show(picture, `what ${count(k)} make`);
    caption.textContent = `${k} of ${tokens}, ${bytesOf(k, codes)} bytes, ${own[k - 1][1].toFixed(1)} dB`;
  }

  /** What the exhibit begins with: the page's first picture, decoded when the site was built. */
  async function showBaked(): Promise<void> {
    const strip = await pixelsOfStrip(app.baked.few.strip, size, tokens);
    if (pictures.length > 0 || store.state.source?.name !== app.baked.rows[0].name) return;
    original = resized(store.state.source.pixels, size);
    pictures = strip;
    show();
  }

  let isNear = false;
  let ready: Promise<unknown> | undefined;
  let done: Pixels | undefined; // the picture that `pictures` are of
  const load = () =>
    engine.run('load', [modelUrl], {
      onPart: ({ received }) => {
        note.textContent = `This exhibit has a model of its own; it is on its way: ${Math.round((100 * received) / bytes)} % of ${(bytes / 1e6).toFixed(1)} MB …`;
      },
    });
  async function work(): Promise<void> {
    const { source, picture } = store.state;
    const next = source?.pixels ?? picture;
    if (!isNear || !next || next === done) return;
    done = next;
    try {
      await app.ready.catch(() => {}); // the weights of the other exhibits come first
      ready ??= load();
      await ready;
      if (done !== next) return;
      const small = resized(next, size);
      let isFirst = true;
      await engine.run('beginnings', [small], {
        onPart(part) {
          if (isFirst) [original, pictures, isFirst] = [small, [], false];
          pictures = [...pictures, part];
          show();
        },
      });
      note.textContent = `This exhibit has a model of its own: ${size} × ${size} pixels in ${tokens} tokens of ${codes} codes.`;
    } catch (error) {
      ready = undefined; // the next picture tries again
      done = undefined;
      note.textContent = '';
      app.fail(error);
    }
  }

  store.on(['knobs'], show);
  store.on(['source', 'picture'], () => void work());
  new IntersectionObserver(
    (entries) => {
      isNear = entries.at(-1)!.isIntersecting;
      void work();
    },
    { rootMargin: '600px' },
  ).observe(section);
  showBaked().catch(app.fail);
}

const count = (k: number): string => (k === 1 ? 'the first token' : `the first ${k} tokens`);

/** Square pictures of a strip, from left to right. */
async function pixelsOfStrip(url: string, size: number, count: number): Promise<Pixels[]> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = h('canvas', { width: size * count, height: size });
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.drawImage(image, 0, 0);
  return Array.from({ length: count }, (_, i) => context.getImageData(i * size, 0, size, size).data as Pixels);
}
