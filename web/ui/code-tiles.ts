/** The codes that a token could have, nearest first: buttons that show the picture each of them makes. */
import type { Pixels } from '../engine/model.ts';
import { button, h } from './dom.ts';
import { pictureView } from './picture.ts';

const atOnce = 24; // nearest codes, until more are asked for
const farthest = 8;

export interface CodeTiles {
  readonly element: HTMLElement;
  /** Shows the first and the last of `codes`, which are ordered by their distance from the first one. */
  show(codes: readonly number[], distances: readonly number[]): void;
  /** Forgets the pictures: the other tokens have changed. */
  clear(): void;
  /** The next codes without a picture, at most `count`. */
  missing(count: number): number[];
  /** The picture that a code makes. */
  put(code: number, pixels: Pixels): void;
  /** Presses the tile of a code. */
  press(code: number): void;
}

/** @param choose  a tile was clicked   @param more  tiles without pictures were added */
export function codeTiles(choose: (code: number) => void, more: () => void): CodeTiles {
  const nearest = h('div', { class: 'codes' });
  const far = h('div', { class: 'codes' });
  const moreButton = button('More', () => {
    add(nearest, shown, shown + atOnce);
    shown = Math.min(shown + atOnce, codes.length - farthest);
    if (shown === codes.length - farthest) {
      tiles.get(codes[shown - 1])!.element.focus();
      moreButton.hidden = true;
    }
    press(pressed);
    more();
  });
  const title = h('p', { class: 'small' });
  const element = h('div', { hidden: true }, title, nearest, h('p', { class: 'small' }, 'The farthest codes'), far);
  let codes: readonly number[] = [];
  let distances: readonly number[] = [];
  let shown = 0;
  let pressed = -1;
  const tiles = new Map<number, { element: HTMLButtonElement; view: ReturnType<typeof pictureView>; done: boolean }>();

  function add(to: HTMLElement, from: number, until: number): void {
    for (let i = from; i < Math.min(until, to === far ? codes.length : codes.length - farthest); i++) {
      const code = codes[i];
      const view = pictureView('', '');
      view.element.setAttribute('aria-hidden', 'true'); // the button has a label
      const label = `code ${code}, distance ${distances[i].toFixed(2)}`;
      const text = h('span', {}, `${code}`, h('small', {}, distances[i].toFixed(2)));
      const tile = h(
        'button',
        { type: 'button', class: 'code', click: () => choose(code), title: label },
        view.element,
      );
      tile.setAttribute('aria-label', label);
      tile.append(text);
      if (to === nearest) moreButton.before(tile);
      else to.append(tile);
      tiles.set(code, { element: tile, view, done: false });
    }
  }
  function press(code: number): void {
    pressed = code;
    for (const [other, { element }] of tiles) element.setAttribute('aria-pressed', `${other === code}`);
  }
  return {
    element,
    press,
    show(nextCodes, nextDistances) {
      [codes, distances] = [nextCodes, nextDistances];
      tiles.clear();
      nearest.replaceChildren(moreButton);
      far.replaceChildren();
      shown = 1 + atOnce;
      add(nearest, 0, shown);
      add(far, codes.length - farthest, codes.length);
      moreButton.hidden = shown >= codes.length - farthest;
      title.textContent = `Code ${codes[0]}, then the codes nearest to it, each with its distance`;
      element.hidden = false;
    },
    clear() {
      for (const tile of tiles.values()) tile.done = false;
    },
    missing: (count) =>
      [...tiles]
        .filter(([, { done }]) => !done)
        .slice(0, count)
        .map(([code]) => code),
    put(code, pixels) {
      const tile = tiles.get(code);
      if (!tile) return;
      tile.done = true;
      tile.view.show(pixels, '');
    },
  };
}
