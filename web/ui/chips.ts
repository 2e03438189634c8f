/** A row of tokens as chips: a toolbar in which the arrow keys move. */
import type { App } from '../app.ts';
import { h } from './dom.ts';

export interface ChipsOptions {
  /** What the row is, for screen readers. */
  readonly label: string;
  /** A chip was clicked, or Enter or Space pressed on it. */
  readonly pick?: (place: number, event: MouseEvent) => void;
  /** A chip is pointed at or has the focus; undefined: none is any more. */
  readonly point?: (place: number | undefined) => void;
  /** A key that does not move the focus was pressed on a chip. Returns whether it did something. */
  readonly key?: (place: number, event: KeyboardEvent) => boolean;
}

export interface Chips {
  readonly element: HTMLElement;
  readonly chips: readonly HTMLButtonElement[];
  /** Shows a row; `pressed` and `note` say of each place whether its chip is pressed, and what its label adds. */
  show(row: readonly number[], pressed?: (place: number) => boolean, note?: (place: number) => string): void;
  /** Gives a chip the focus. */
  focus(place: number): void;
}

/** Chips have the colors of their codes, so that alike codes look alike. */
export function chips(app: App, { label, pick, point, key }: ChipsOptions): Chips {
  const buttons: HTMLButtonElement[] = [];
  const element = h('div', { class: 'chips', role: 'toolbar', 'aria-label': label });
  const perLine = () => {
    const top = buttons[0]?.offsetTop;
    return Math.max(1, buttons.filter((chip) => chip.offsetTop === top).length);
  };
  const focus = (place: number): void => buttons[Math.min(buttons.length - 1, Math.max(0, place))]?.focus();
  /** Tab leads to one chip: the one that had the focus last. */
  const leadTo = (place: number): void =>
    buttons.forEach((chip, i) => {
      chip.tabIndex = i === place ? 0 : -1;
    });
  const moves: Readonly<Record<string, (place: number) => number>> = {
    ArrowLeft: (place) => place - 1,
    ArrowRight: (place) => place + 1,
    ArrowUp: (place) => place - perLine(),
    ArrowDown: (place) => place + perLine(),
    Home: () => 0,
    End: () => buttons.length - 1,
  };
  let pointed: number | undefined;
  const pointAt = (place: number | undefined): void => {
    if (place === pointed) return;
    pointed = place;
    point?.(place);
  };
  const focused = (): number | undefined => {
    const place = buttons.indexOf(document.activeElement as HTMLButtonElement);
    return place < 0 ? undefined : place;
  };
  const chip = (place: number): HTMLButtonElement =>
    h('button', {
      type: 'button',
      class: 'chip',
      tabindex: -1,
      click: (event: MouseEvent) => pick?.(place, event),
      pointermove: () => pointAt(place), // not pointerenter: a page that scrolls below a resting pointer sends it as well
      pointerleave: () => pointAt(focused()),
      focus: () => {
        leadTo(place);
        pointAt(place);
      },
      blur: () => pointAt(undefined),
      keydown: (event: KeyboardEvent) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
        const handled = key?.(place, event) ?? false;
        if (!handled && moves[event.key]) focus(moves[event.key](place));
        if (handled || moves[event.key]) event.preventDefault();
      },
    });
  return {
    element,
    chips: buttons,
    focus,
    show(row, pressed, note) {
      while (buttons.length > row.length) buttons.pop()!.remove();
      if (pointed !== undefined && pointed >= row.length) pointAt(undefined);
      while (buttons.length < row.length) {
        buttons.push(chip(buttons.length));
        element.append(buttons.at(-1)!);
      }
      if (!buttons.some(({ tabIndex }) => tabIndex === 0)) leadTo(0); // at first, and when that one is gone
      row.forEach((id, place) => {
        const button = buttons[place];
        button.textContent = `${id}`;
        button.style.backgroundColor = app.colors[id] ?? '';
        button.setAttribute('aria-label', `token ${place + 1}: code ${id}${note?.(place) ?? ''}`);
        if (pressed) button.setAttribute('aria-pressed', `${pressed(place)}`);
      });
    },
  };
}
