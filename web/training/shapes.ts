/** Pictures that need no download: colored shapes, drawn from a seed. */
import type { Pixels } from '../engine/model.ts';

/** Of all pictures that are trained on here, pixels. */
export const imageSize = 32;

/** How far a point lies outside a shape of radius about 1 around the origin; negative inside. */
type Shape = (x: number, y: number) => number;

const circle: Shape = (x, y) => Math.hypot(x, y) - 1;
/** A regular polygon, or a star when `depth` pulls the middles of the sides inwards. */
const polygon =
  (corners: number, depth = 0): Shape =>
  (x, y) => {
    const sector = Math.PI / corners;
    const angle = Math.abs(((Math.atan2(x, y) + 4 * Math.PI + sector) % (2 * sector)) - sector); // from the nearest corner
    const inner = Math.cos(sector) * (1 - depth);
    const [px, py] = [Math.hypot(x, y) * Math.sin(angle), Math.hypot(x, y) * Math.cos(angle)];
    const [nx, ny] = [1 - inner * Math.cos(sector), inner * Math.sin(sector)]; // normal of the edge (0, 1) → inner point
    return (px * nx + (py - 1) * ny) / Math.hypot(nx, ny);
  };

export const shapes: Readonly<Record<string, Shape>> = {
  circle,
  ring: (x, y) => Math.abs(Math.hypot(x, y) - 0.7) - 0.3,
  moon: (x, y) => Math.max(circle(x, y), 0.85 - Math.hypot(x - 0.5, y - 0.25)),
  triangle: polygon(3),
  square: polygon(4),
  star: polygon(5, 0.45),
  flower: (x, y) => Math.hypot(x, y) - 0.75 - 0.25 * Math.cos(6 * Math.atan2(y, x)),
  cross: (x, y) =>
    Math.min(Math.max(Math.abs(x) - 1, Math.abs(y) - 0.33), Math.max(Math.abs(y) - 1, Math.abs(x) - 0.33)),
  heart: (x, y) => {
    const [u, v] = [Math.abs(0.6 * x), 0.6 * y + 0.55]; // from the tip at the origin up to 1.1
    if (u + v > 1) return (Math.hypot(u - 0.25, v - 0.75) - Math.SQRT1_2 / 2) / 0.6;
    const foot = Math.max(u + v, 0) / 2; // the nearest point of the side, a line at 45°
    return (Math.min(Math.hypot(u, v - 1), Math.hypot(u - foot, v - foot)) * Math.sign(u - v)) / 0.6;
  },
};

/** [hue in turns, saturation, lightness] of the shape and of what it lies on. */
type Hsl = readonly [hue: number, saturation: number, lightness: number];

/**
 * `count` pictures of one shape each, as many of every kind: any place, size, turn and color, with a soft gradient
 * behind and a lighter top, so that there is something to learn beside outlines.
 *
 * @param uniform  the next random number of [0, 1)
 */
export function drawShapes(count: number, size: number, uniform: () => number): Pixels[] {
  const kinds = Object.values(shapes);
  return Array.from({ length: count }, (_, i) => drawShape(kinds[i % kinds.length], size, uniform));
}

function drawShape(shape: Shape, size: number, uniform: () => number): Pixels {
  const between = (low: number, high: number) => low + (high - low) * uniform();
  const hue = uniform();
  const ground: Hsl = [hue + between(0.25, 0.75), between(0.2, 0.6), between(0.82, 0.95)]; // pale, as behind emoji
  const paint: Hsl = [hue, between(0.65, 0.95), between(0.38, 0.55)];
  const radius = between(0.24, 0.4) * size;
  const [cx, cy] = [between(0.4, 0.6) * size, between(0.4, 0.6) * size];
  const turn = between(-0.35, 0.35); // radians
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const pixels = new Uint8ClampedArray(4 * size * size).fill(255);
  for (let py = 0; py < size; py++) {
    for (let px = 0; px < size; px++) {
      const [dx, dy] = [(px + 0.5 - cx) / radius, (cy - py - 0.5) / radius]; // y upwards
      const outside = shape(cos * dx + sin * dy, cos * dy - sin * dx) * radius; // pixels
      const cover = Math.min(1, Math.max(0, 0.5 - outside));
      const behind = rgb(shaded(ground, 0.08 * (0.5 - py / size)));
      const front = rgb(shaded(paint, 0.12 * dy));
      for (let c = 0; c < 3; c++) {
        pixels[4 * (py * size + px) + c] = 255 * (behind[c] + cover * (front[c] - behind[c])); // rounds
      }
    }
  }
  return pixels;
}

const shaded = ([h, s, l]: Hsl, more: number): Hsl => [h, s, Math.min(1, Math.max(0, l + more))];

/** Channels in 0..1. */
function rgb([hue, saturation, lightness]: Hsl): number[] {
  const amplitude = saturation * Math.min(lightness, 1 - lightness);
  return [0, 8, 4].map((offset) => {
    const k = (offset + 12 * (hue % 1)) % 12;
    return lightness - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  });
}
