/** A map of the codebook: a dot for each code. */
import { h } from './dom.ts';

/** A dot for each code. */
export interface Dots {
  /** Places [codes, 2], −1..1. */
  readonly places: ArrayLike<number>;
  readonly colors: readonly string[];
  /** How often each code is used; undefined: unknown. */
  readonly uses: ArrayLike<number> | undefined;
  /** Codes with a ring around them. */
  readonly marked: ReadonlySet<number>;
  /** The code that is looked at. */
  readonly chosen: number | undefined;
}

export interface CodeMap {
  readonly element: HTMLCanvasElement;
  show(dots: Dots, label: string): void;
}

const [width, height] = [720, 480]; // CSS pixels, before the page scales it
const margin = 20;
const reach = 24; // px from a dot that still count as on it

/** Its radius in px: the area grows with the use, within limits that eyes and fingers set. */
const radius = (uses: number, mean: number): number => Math.min(11, 1.8 + 2.2 * Math.sqrt(uses / mean));

/**
 * A canvas with dots. The most used lie behind, so that none hides another; codes that nothing uses are hollow.
 *
 * @param point  the pointer is at a code, or at none any more
 * @param pick   a code was clicked
 */
export function codeMap(point: (code: number | undefined) => void, pick: (code: number) => void): CodeMap {
  const canvas = h('canvas', { class: 'map', role: 'img', 'aria-label': 'map of the codes', width, height });
  let shown: Dots | undefined;
  let waiting = false;
  const at = ({ places }: Dots, code: number): readonly [number, number] => [
    width / 2 + places[2 * code] * (width / 2 - margin),
    height / 2 - places[2 * code + 1] * (height / 2 - margin),
  ];

  const draw = (dots: Dots) => {
    const { colors, uses, marked, chosen } = dots;
    const scale = Math.max(1, Math.round((canvas.clientWidth / width) * devicePixelRatio * 2) / 2);
    Object.assign(canvas, { width: width * scale, height: height * scale });
    const context = canvas.getContext('2d')!;
    context.scale(scale, scale);
    const { color: ink } = getComputedStyle(canvas);
    const total = uses ? Array.from(uses).reduce((sum, n) => sum + n, 0) : 0;
    const mean = total / colors.length || 1;
    const size = (code: number) => (uses ? radius(uses[code], mean) : 4);
    const circle = (code: number, more: number) => {
      context.beginPath();
      context.arc(...at(dots, code), size(code) + more, 0, 2 * Math.PI);
    };
    for (const code of [...colors.keys()].sort((a, b) => size(b) - size(a))) {
      circle(code, 0);
      context.fillStyle = colors[code];
      if (!uses || uses[code] > 0) context.fill();
      context.lineWidth = 0.75;
      context.strokeStyle = ink;
      context.globalAlpha = 0.55; // pale dots on a pale ground need an edge
      context.stroke();
      context.globalAlpha = 1;
    }
    context.strokeStyle = ink;
    context.lineWidth = 2;
    for (const code of marked) {
      circle(code, 2);
      context.stroke();
    }
    if (chosen === undefined) return;
    circle(chosen, 0);
    context.fillStyle = colors[chosen];
    context.fill();
    context.lineWidth = 3;
    for (const more of [1, 7]) {
      circle(chosen, more);
      context.stroke();
    }
  };
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (shown) draw(shown);
    });
  };
  const codeAt = (event: MouseEvent): number | undefined => {
    if (!shown) return undefined;
    const { left, top, width: visible } = canvas.getBoundingClientRect();
    const zoom = visible / width;
    let [best, distance] = [undefined as number | undefined, reach];
    for (let code = 0; code < shown.colors.length; code++) {
      const [x, y] = at(shown, code);
      const far = Math.hypot(event.clientX - left - x * zoom, event.clientY - top - y * zoom);
      if (far < distance) [best, distance] = [code, far];
    }
    return best;
  };
  canvas.addEventListener('pointermove', (event) => {
    if (event.pointerType !== 'touch') point(codeAt(event));
  });
  canvas.addEventListener('pointerleave', () => point(undefined));
  canvas.addEventListener('click', (event) => {
    const code = codeAt(event);
    if (code !== undefined) pick(code);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  new ResizeObserver(redraw).observe(canvas);
  return {
    element: canvas,
    show(dots, label) {
      shown = dots;
      canvas.setAttribute('aria-label', label);
      redraw();
    },
  };
}
