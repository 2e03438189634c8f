/** Exhibit 1: any picture becomes a short row of tokens, and comes back from it. */
import type { App } from '../app.ts';
import type { Pixels } from '../engine/model.ts';
import { latest } from '../latest.ts';
import { bytesOf } from '../link.ts';
import type { Source } from '../store.ts';
import { chips } from '../ui/chips.ts';
import { h } from '../ui/dom.ts';
import { drawing } from '../ui/drawing.ts';
import { ownPictures } from '../ui/own-pictures.ts';
import { blobOf, pictureView, psnrOf, resized, squarePixels, white } from '../ui/picture.ts';
import { wall } from '../ui/wall.ts';

export function mount(section: HTMLElement, app: App): void {
  const { store, engine } = app;
  const size = () => app.model.size;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let wanted: { readonly source: Source; readonly links: number; readonly stroke?: number } | undefined;
  let isOwnChange = false;
  const tokenize = latest(async () => {
    const { source, links, stroke } = wanted!;
    let rows: number[][] | undefined;
    while (!rows) {
      await app.ready;
      rows = await engine.run('encode', [[resized(source.pixels, size())]]); // undefined: another model was asked for
    }
    if (links !== app.links) return;
    isOwnChange = true;
    store.edit(rows[0], { source }, stroke);
    isOwnChange = false;
  }, app.fail);
  let choices = 0;
  /** Takes a picture as soon as it is read, unless another one is chosen meanwhile. */
  const pick = async (read: Promise<Source>): Promise<void> => {
    const choice = ++choices;
    const { links } = app;
    try {
      const source = await read;
      if (choice !== choices || links !== app.links) return;
      draw.put(source.pixels);
      wanted = { source, links };
      store.expect(tokenize());
    } catch (error) {
      app.fail(error);
    }
  };

  const draw = drawing(size, (pixels, stroke) => {
    choices++;
    wanted = { source: { name: 'drawing', pixels, heldOut: undefined }, links: app.links, stroke };
    store.expect(tokenize());
  });
  const row = chips(app, { label: 'Tokens of the picture' });
  const output = pictureView('picture', 'what comes back');
  const name = h('figcaption', {});
  const figures = h('figcaption', {});
  const sizes = h('table', { class: 'sizes' });
  const wallPlace = h('div', {}, h('p', { class: 'small' }, 'The emoji are on their way …'));
  section.append(
    h(
      'div',
      { class: 'flow' },
      h('figure', {}, draw.element, name),
      h('div', { class: 'between' }, row.element, sizes),
      h('figure', {}, output.element, figures),
    ),
    draw.tools,
    ownPictures(size, pick),
    wallPlace,
  );

  store.on(['row', 'picture', 'source'], ({ row: ids, picture, pictured, source }, before) => {
    row.show(ids);
    if (source !== before.source || before === store.state) {
      if (!isOwnChange) draw.put(source?.pixels ?? white);
      name.textContent = source ? `${source.name}${source.heldOut ? ' (held out)' : ''}` : '';
    }
    if (!source) {
      clearTimeout(waiting);
      sizes.replaceChildren();
    }
    if (!picture) return;
    const bytes = bytesOf(ids.length, app.model.codes);
    output.show(picture, `what comes back from ${bytes} bytes`);
    const isOfRow = pictured === ids;
    if (!isOfRow && source === before.source) return; // the figures of the picture that is still shown
    const quality = isOfRow && source ? psnrOf(resized(source.pixels, size()), picture) : Number.NaN;
    figures.textContent = `${bytes} bytes${quality < 99 ? `, ${quality.toFixed(1)} dB` : ''}`;
    if (isOfRow && source) compareSizes(source.pixels, bytes, quality);
  });

  /** What the smallest files of other formats take, once the picture has been at rest for a moment. */
  function compareSizes(pixels: Pixels, bytes: number, quality: number): void {
    clearTimeout(waiting);
    const timer = setTimeout(async () => {
      const rows = await smallestFiles(resized(pixels, size()));
      if (waiting !== timer || store.state.source?.pixels !== pixels) return;
      const cells = (values: readonly string[], tag: 'td' | 'th') =>
        h('tr', {}, ...values.map((text) => h(tag, {}, text)));
      sizes.replaceChildren(
        cells(['', 'bytes', 'PSNR'], 'th'),
        cells([`${app.model.tokens} tokens`, `${bytes}`, `${quality.toFixed(1)} dB`], 'td'),
        ...rows.map(([format, bytes, psnr]) =>
          cells([format, `${bytes}`, psnr > 99 ? 'exact' : `${psnr.toFixed(1)} dB`], 'td'),
        ),
      );
    }, 300);
    waiting = timer;
  }

  const show = async () => {
    const element = await wall(size, pick).catch((error: Error) => h('p', {}, error.message));
    wallPlace.replaceChildren(element);
  };
  void app.ready.catch(() => {}).then(show); // the weights come first
}

/** A picture as PNG, and as WebP and JPEG at their lowest quality: bytes and PSNR. Formats that the browser lacks are left out. */
async function smallestFiles(pixels: Pixels): Promise<(readonly [format: string, bytes: number, psnr: number])[]> {
  const size = Math.sqrt(pixels.length / 4);
  const canvas = h('canvas', { width: size, height: size });
  canvas.getContext('2d')!.putImageData(new ImageData(pixels, size, size), 0, 0);
  const formats = [
    ['JPEG', 'image/jpeg', 0],
    ['WebP', 'image/webp', 0],
    ['PNG', 'image/png', undefined],
  ] as const;
  const rows = await Promise.all(
    formats.map(async ([name, type, quality]) => {
      const blob = await blobOf(canvas, type, quality).catch(() => undefined);
      if (!blob) return [];
      const bitmap = await createImageBitmap(blob);
      const psnr = psnrOf(pixels, squarePixels(bitmap, size, size, size));
      return [[quality === undefined ? name : `smallest ${name}`, blob.size, psnr] as const];
    }),
  );
  return rows.flat();
}
