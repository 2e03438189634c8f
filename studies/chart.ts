/** Figures of rows as SVG: means over seeds, with a bar of one standard deviation to either side. */
import { shortNumber, ticks } from '../train/index.ts';
import type { Summary } from './statistics.ts';

/** A mean with its bar, at one of the places of the axis. */
export interface Dot extends Summary {
  readonly place: number;
}

/** One chart. */
export interface Panel {
  readonly title: string;
  /** What the places stand for, from left to right, or from top to bottom. */
  readonly places: readonly (string | number)[];
  /** Below the places; undefined: places are names, which stand beside the dots. */
  readonly over?: string | undefined;
  readonly lines: readonly { readonly name: string; readonly dots: readonly Dot[] }[];
}

const [width, height] = [400, 220]; // of a chart with lines, pixels
const rowHeight = 22;
const letter = 6.2; // mean width of a letter
const colors = ['#3b7dd8', '#d8663b', '#3a9b57', '#8a5cc4', '#b8922a', '#4a4a4a'];

/** Panels as one file, two in a row. */
export function svgOf(title: string, panels: readonly Panel[]): string {
  const drawn = panels.map((panel) => (panel.over === undefined ? named(panel) : counted(panel)));
  const cell = { width: Math.max(...drawn.map((d) => d.width)), height: Math.max(...drawn.map((d) => d.height)) };
  const rows = Math.ceil(drawn.length / 2);
  const columns = Math.min(2, drawn.length);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${columns * cell.width}" height="${rows * cell.height}" font-family="system-ui, sans-serif" font-size="11" fill="#222222">`,
    `<title>${escaped(title)}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...drawn.map(
      ({ svg }, i) =>
        `<g transform="translate(${(i % 2) * cell.width} ${Math.floor(i / 2) * cell.height})">\n${svg}\n</g>`,
    ),
    '</svg>',
    '',
  ].join('\n');
}

interface Drawn {
  readonly width: number;
  readonly height: number;
  readonly svg: string;
}

/** Lines over numbers, which stand at equal distances. */
function counted({ title, places, over = '', lines }: Panel): Drawn {
  const frame = { left: 52, right: width - 14, top: 44, bottom: height - 36 };
  const [low, high] = rangeOf(lines.flatMap(({ dots }) => dots));
  const x = (place: number) =>
    round(frame.left + 14 + ((frame.right - frame.left - 28) * place) / Math.max(1, places.length - 1));
  const y = (value: number) => round(frame.bottom - ((frame.bottom - frame.top) * (value - low)) / (high - low));
  const grid = ticks(low, high, 4).flatMap((value) => [
    `<path d="M${frame.left} ${y(value)}H${frame.right}" stroke="#dddddd"/>`,
    text(frame.left - 6, y(value) + 4, shortNumber(value), 'end'),
  ]);
  const drawn = lines.flatMap(({ dots }, i) => {
    const color = colors[i % colors.length];
    return [
      `<path d="M${dots.map(({ place, mean }) => `${x(place)} ${y(mean)}`).join('L')}" fill="none" stroke="${color}" stroke-width="1.5"/>`,
      ...dots.flatMap(({ place, mean, deviation }) => [
        `<path d="M${x(place)} ${y(mean - deviation)}V${y(mean + deviation)}" stroke="${color}"/>`,
        `<circle cx="${x(place)}" cy="${y(mean)}" r="3" fill="${color}"/>`,
      ]),
    ];
  });
  const svg = [
    text(frame.left, 18, title, 'start', 'font-weight="bold"'),
    ...(lines.length > 1 ? legend(lines, frame.left) : []),
    ...grid,
    ...places.map((place, i) => text(x(i), frame.bottom + 14, String(place), 'middle')),
    text((frame.left + frame.right) / 2, height - 8, over, 'middle'),
    ...drawn,
  ].join('\n');
  return { width, height, svg };
}

function legend(lines: Panel['lines'], left: number): string[] {
  let at = left;
  return lines.flatMap(({ name }, i) => {
    const x = at;
    at += 26 + letter * name.length;
    return [
      `<circle cx="${round(x + 4)}" cy="32" r="3" fill="${colors[i % colors.length]}"/>`,
      text(round(x + 12), 36, name, 'start'),
    ];
  });
}

/** A dot for each name, one below the other. */
function named({ title, places, lines }: Panel): Drawn {
  const left = 24 + letter * Math.max(...places.map((place) => String(place).length));
  const frame = { left, right: left + 220, top: 30, bottom: 30 + rowHeight * places.length };
  const dots = lines.flatMap((line) => line.dots);
  const [low, high] = rangeOf(dots);
  const x = (value: number) => round(frame.left + ((frame.right - frame.left) * (value - low)) / (high - low));
  const y = (place: number) => round(frame.top + rowHeight * (place + 0.5));
  const svg = [
    text(16, 18, title, 'start', 'font-weight="bold"'),
    ...ticks(low, high, 3).flatMap((value) => [
      `<path d="M${x(value)} ${frame.top}V${frame.bottom}" stroke="#dddddd"/>`,
      text(x(value), frame.bottom + 14, shortNumber(value), 'middle'),
    ]),
    ...places.map((place, i) => text(frame.left - 8, y(i) + 4, String(place), 'end')),
    ...dots.flatMap(({ place, mean, deviation }) => [
      `<path d="M${x(mean - deviation)} ${y(place)}H${x(mean + deviation)}" stroke="${colors[0]}" stroke-width="1.5"/>`,
      `<circle cx="${x(mean)}" cy="${y(place)}" r="3.5" fill="${colors[0]}"/>`,
    ]),
  ].join('\n');
  return { width: round(frame.right + 24), height: frame.bottom + 28, svg };
}

/** The values that a chart shows, and some room around them. */
function rangeOf(dots: readonly Dot[]): readonly [low: number, high: number] {
  const low = Math.min(...dots.map(({ mean, deviation }) => mean - deviation));
  const high = Math.max(...dots.map(({ mean, deviation }) => mean + deviation));
  if (!Number.isFinite(low)) return [0, 1];
  const margin = 0.08 * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low - margin, high + margin];
}

const text = (x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${more && ` ${more}`}>${escaped(content)}</text>`;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const round = (value: number): number => Math.round(10 * value) / 10;
