/** A picture in gray, and over it in the accent color where a token has its effect. */
import type { Pixels } from '../engine/model.ts';
import { h } from './dom.ts';
import { pictureView } from './picture.ts';

/** Opacities 0..255 of a square map, row by row. */
export type HeatMap = Uint8ClampedArray<ArrayBuffer>;

export interface HeatView {
  readonly element: HTMLElement;
  /** The picture below the map. */
  picture(pixels: Pixels): void;
  /** Draws a map, or none. `label` says what it is. */
  show(map: HeatMap | undefined, label: string): void;
}

/** Two canvases, one on the other. */
export function heatView(): HeatView {
  const below = pictureView('picture', 'the picture');
  const canvas = h('canvas', { class: 'heat', role: 'img', hidden: true, width: 1, height: 1 });
  const element = h('div', { class: 'heated' }, below.element, canvas);
  return {
    element,
    picture: (pixels) => below.show(pixels, 'the picture'),
    show(map, label) {
      canvas.hidden = !map;
      element.classList.toggle('gray', map !== undefined);
      canvas.setAttribute('aria-label', label);
      if (!map) return;
      const side = Math.sqrt(map.length);
      Object.assign(canvas, { width: side, height: side }); // clears it
      const context = canvas.getContext('2d')!;
      const opacity = new ImageData(side, side);
      for (const [p, value] of map.entries()) opacity.data[4 * p + 3] = value;
      context.putImageData(opacity, 0, 0);
      context.globalCompositeOperation = 'source-in';
      context.fillStyle = getComputedStyle(canvas).color;
      context.fillRect(0, 0, side, side);
    },
  };
}

/** Where a map is warm, in words: 'mostly at the top left'. */
export function whereHot(map: HeatMap): string {
  const side = Math.sqrt(map.length);
  let [sum, x, y] = [0, 0, 0];
  for (const [p, value] of map.entries()) {
    const heat = value ** 2; // undoes the square root
    sum += heat;
    x += heat * ((p % side) + 0.5);
    y += heat * (Math.floor(p / side) + 0.5);
  }
  if (sum === 0) return 'nowhere';
  if (sum > 0.25 * 255 ** 2 * map.length) return 'all over the picture';
  const third = (at: number) => (at < 0.42 ? 0 : at < 0.58 ? 1 : 2);
  const row = ['top', '', 'bottom'][third(y / sum / side)];
  const column = ['left', '', 'right'][third(x / sum / side)];
  return row || column ? `mostly at the ${row}${row && column && ' '}${column}` : 'mostly in the middle';
}
