/** A canvas to draw on. */
import type { Pixels } from '../engine/model.ts';
import { button, h } from './dom.ts';
import { penKeys } from './pen-keys.ts';
import { squarePixels } from './picture.ts';

const colors = ['#222222', '#d9480f', '#f2b705', '#2f9e44', '#1c7ed6', '#ae3ec9', '#8d5a34', '#ffffff'];
const names = ['black', 'orange', 'yellow', 'green', 'blue', 'purple', 'brown', 'white'];
const side = 256; // pixels of the canvas

export interface Drawing {
  readonly element: HTMLElement;
  readonly tools: HTMLElement;
  /** Replaces what is drawn. */
  put(pixels: Pixels): void;
}

/** Lets the visitor draw, with the pointer or by keyboard. `drawn` hears each stroke as it grows, and its number. */
export function drawing(size: () => number, drawn: (pixels: Pixels, stroke: number) => void): Drawing {
  const canvas = h('canvas', {
    class: 'picture drawing',
    width: side,
    height: side,
    role: 'img',
    'aria-label': 'the picture that goes in; draw on it with the pointer, or with arrow keys and Space',
  });
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.lineCap = 'round';
  context.lineJoin = 'round';
  let [color, width] = [colors[1], 22];
  let last: readonly [number, number] | undefined;
  let pointer: number | undefined; // that draws: other fingers and buttons do nothing
  let stroke = 0;
  let frame = 0; // in which what has changed is told; 0: nothing has
  const tell = () => {
    if (!frame) return;
    cancelAnimationFrame(frame);
    frame = 0;
    drawn(squarePixels(canvas, side, side, size()), stroke);
  };
  const changed = () => {
    frame ||= requestAnimationFrame(tell);
  };
  const at = (event: PointerEvent): readonly [number, number] => {
    const { left, top, width } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * side, ((event.clientY - top) / width) * side];
  };
  const line = (to: readonly [number, number]) => {
    Object.assign(context, { strokeStyle: color, lineWidth: width });
    if (!last) stroke++;
    context.beginPath();
    context.moveTo(...(last ?? to));
    context.lineTo(...to);
    context.stroke();
    last = to;
    changed();
  };
  canvas.addEventListener('pointerdown', (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    last = undefined; // where the keyboard's pen may be
    line(at(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (event.pointerId === pointer && event.buttons & 1) line(at(event));
  });
  const lift = () => {
    last = undefined;
    tell(); // before anything else is pressed
  };
  for (const name of ['pointerup', 'pointercancel'] as const)
    canvas.addEventListener(name, ({ pointerId }) => {
      if (pointerId !== pointer) return;
      pointer = undefined;
      lift();
    });

  const swatches = colors.map((value, i) =>
    button('', () => pick(value), {
      class: 'swatch',
      style: `background:${value}`,
      'aria-label': names[i],
      title: names[i],
    }),
  );
  const pick = (value: string) => {
    color = value;
    swatches.forEach((swatch, i) => {
      swatch.setAttribute('aria-pressed', `${colors[i] === value}`);
    });
  };
  pick(color);
  const thick = button(
    'Thick',
    () => {
      width = width === 22 ? 9 : 22;
      thick.textContent = width === 22 ? 'Thick' : 'Thin';
    },
    { title: 'width of the line' },
  );
  const clear = button('Clear', () => {
    context.fillStyle = '#fff';
    context.fillRect(0, 0, side, side);
    stroke++;
    changed();
    tell();
  });
  return {
    element: penKeys(canvas, (x, y) => line([x * side, y * side]), lift),
    tools: h('div', { class: 'row tools', role: 'group', 'aria-label': 'Drawing' }, ...swatches, thick, clear),
    put(pixels) {
      cancelAnimationFrame(frame);
      frame = 0;
      const size = Math.sqrt(pixels.length / 4);
      const small = h('canvas', { width: size, height: size });
      small.getContext('2d')!.putImageData(new ImageData(pixels, size, size), 0, 0);
      context.imageSmoothingEnabled = false;
      context.drawImage(small, 0, 0, side, side);
    },
  };
}
