/** A canvas that is drawn on by keyboard, too. */
import { h } from './dom.ts';

const step = 1 / 32; // of a side
const moves: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-step, 0],
  ArrowRight: [step, 0],
  ArrowUp: [0, -step],
  ArrowDown: [0, step],
};

/**
 * Wraps a canvas: the arrow keys move a ring over it, and Space puts the pen down there and lifts it.
 *
 * @param draw  the pen is down at a place, 0..1 from left and top
 * @param lift  the pen was lifted
 */
export function penKeys(
  canvas: HTMLCanvasElement,
  draw: (x: number, y: number) => void,
  lift: () => void = () => {},
): HTMLElement {
  const ring = h('div', { class: 'pen' });
  let [x, y, isDown] = [0.5, 0.5, false];
  const put = (down: boolean) => {
    isDown = down;
    ring.classList.toggle('down', down);
    if (!down) lift();
  };
  const within = (place: number) => Math.min(1, Math.max(0, place));
  const show = () => {
    ring.style.left = `${100 * x}%`;
    ring.style.top = `${100 * y}%`;
    if (isDown) draw(x, y);
  };
  canvas.tabIndex = 0;
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
    const move = moves[event.key];
    if (event.key === ' ') put(!isDown);
    else if (move) [x, y] = [within(x + move[0]), within(y + move[1])];
    else return;
    event.preventDefault();
    show();
  });
  canvas.addEventListener('blur', () => put(false));
  show();
  return h('div', { class: 'lasso' }, canvas, ring);
}
