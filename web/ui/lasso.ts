/** A rectangle that the visitor drags over a picture. */
import type { Rectangle } from '../engine/film.ts';
import { h } from './dom.ts';

/** Wraps a picture. `select` hears the rectangle when the pointer is released, unless it is too small to be meant. */
export function lasso(picture: HTMLElement, select: (rectangle: Rectangle) => void): HTMLElement {
  const box = h('div', { class: 'lasso-box', hidden: true });
  const element = h('div', { class: 'lasso' }, picture, box);
  let from: readonly [number, number] | undefined;
  let pointer: number | undefined; // that drags: other fingers and buttons do nothing
  const at = ({ clientX, clientY }: PointerEvent): readonly [number, number] => {
    const { left, top, width, height } = picture.getBoundingClientRect();
    const within = (x: number) => Math.min(1, Math.max(0, x));
    return [within((clientX - left) / width), within((clientY - top) / height)];
  };
  const between = ([x, y]: readonly [number, number], [u, v]: readonly [number, number]): Rectangle => [
    Math.min(x, u),
    Math.min(y, v),
    Math.max(x, u),
    Math.max(y, v),
  ];
  picture.addEventListener('pointerdown', (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    picture.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    from = at(event);
  });
  picture.addEventListener('pointermove', (event) => {
    if (!from || event.pointerId !== pointer) return;
    const [left, top, right, bottom] = between(from, at(event));
    box.hidden = false;
    box.style.inset = `${100 * top}% ${100 * (1 - right)}% ${100 * (1 - bottom)}% ${100 * left}%`;
  });
  picture.addEventListener('pointerup', (event) => {
    if (!from || event.pointerId !== pointer) return;
    const rectangle = between(from, at(event));
    from = undefined;
    box.hidden = true;
    const [left, top, right, bottom] = rectangle;
    if (right - left > 0.03 && bottom - top > 0.03) select(rectangle);
  });
  picture.addEventListener('pointercancel', (event) => {
    if (event.pointerId !== pointer) return;
    from = undefined;
    box.hidden = true;
  });
  return element;
}
