/** The pictures of a film in a row. */
import type { FilmStep } from '../engine/film.ts';
import type { Pixels } from '../engine/model.ts';
import { h } from '../ui/dom.ts';
import { pictureView } from '../ui/picture.ts';

/** @param goTo  a step was clicked; by keyboard the slider beside the strip does the same */
export function filmStrip(goTo: (step: number) => void) {
  const element = h('div', { class: 'strip' });
  let newest: Pixels | undefined;
  const frame = ({ picture }: FilmStep, step: number): HTMLElement => {
    const name = `step ${step}`;
    const small = pictureView('', name);
    if (picture) small.show(picture, name);
    return h(
      'button',
      { type: 'button', class: 'frame', tabindex: -1, 'aria-label': name, click: () => goTo(step) },
      small.element,
    );
  };
  return {
    element,
    /** @param at  the step that is shown large */
    show(steps: readonly FilmStep[], at: number): void {
      const last = steps.at(-1)?.picture;
      if (!last || last !== newest) element.replaceChildren(...steps.slice(1).map((step, i) => frame(step, i + 1)));
      newest = last;
      [...element.children].forEach((frame, i) => {
        if (i === at - 1) frame.setAttribute('aria-current', 'step');
        else frame.removeAttribute('aria-current');
      });
    },
  };
}
