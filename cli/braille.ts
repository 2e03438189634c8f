/** Curves as text: a cell of braille has 2 × 4 dots, so 80 columns show 160 points. */
import { binned, type Curve, type Point, rangeOf, shortNumber, ticks } from '../train/index.ts';

export interface PlotOptions {
  readonly title: string;
  /** Columns of the whole plot. */
  readonly width: number;
  /** Lines of the curve. */
  readonly height: number;
}

const heldOutMark = 'o';
const gap = '   ';

/** Lines of text: a title with the last values, the curve of the training in dots and the one on held-out images in o, axes. */
export function drawPlot({ train, heldOut }: Curve, { title, width, height }: PlotOptions): string[] {
  const lastStep = Math.max(1, train.at(-1)?.step ?? 0, heldOut.at(-1)?.step ?? 0);
  const labelsOf = (low: number, high: number) => ticks(low, high, Math.max(1, Math.floor(height / 3)));
  const [low, high] = rangeOf([binned(train, width), heldOut]);
  const rowOf = (value: number) => Math.min(height - 1, Math.floor(((high - value) / (high - low)) * height));
  const labels = new Map(labelsOf(low, high).map((value) => [rowOf(value), shortNumber(value)]));
  const margin = Math.max(...[...labels.values()].map((label) => label.length), 1);
  const columns = Math.max(2, width - margin - 2);
  const canvas = new Canvas(columns, height);
  const dots = (points: readonly Point[]) =>
    points.map(({ step, value }) => ({
      x: Math.min(2 * columns - 1, Math.floor((step / lastStep) * 2 * columns)),
      y: Math.floor(((high - value) / (high - low)) * 4 * height),
    }));
  canvas.line(dots(binned(train, 2 * columns)));
  for (const { x, y } of dots(heldOut)) canvas.mark(x >> 1, y >> 2, heldOutMark);
  const parts = [title, lastOf('training', train), lastOf(`held-out ${heldOutMark}`, heldOut)].filter(Boolean);
  while (parts.length > 1 && parts.join(gap).length > width) parts.pop();
  return [
    parts.join(gap).slice(0, width),
    ...canvas
      .rows()
      .map((row, i) => `${(labels.get(i) ?? '').padStart(margin)} ${labels.has(i) ? '┤' : '│'}${row}`.trimEnd()),
    ...axis(lastStep, columns, margin),
  ];
}

const lastOf = (name: string, points: readonly Point[]): string =>
  points.length > 0 ? `${name} ${shortNumber(points[points.length - 1].value)}` : '';

/** The line below a plot, and the numbers of updates below that. */
function axis(lastStep: number, columns: number, margin: number): string[] {
  const line = new Array<string>(columns).fill('─');
  let numbers = '';
  for (const step of ticks(0, lastStep, Math.max(1, Math.floor(columns / 16)))) {
    const at = Math.min(columns - 1, Math.floor((step / lastStep) * columns));
    const label = shortNumber(step);
    const start = Math.min(Math.max(0, at - Math.floor(label.length / 2)), columns - label.length);
    if (start < 0 || (numbers !== '' && start < numbers.length + 1)) continue;
    line[at] = '┬';
    numbers = numbers.padEnd(start) + label;
  }
  const unit = numbers.length + 9 <= columns ? '  updates' : '';
  return [`${' '.repeat(margin)} └${line.join('')}`, `${' '.repeat(margin + 2)}${numbers}${unit}`];
}

/** Dots in cells of 2 × 4. */
class Canvas {
  readonly #columns: number;
  readonly #rows: number;
  readonly #dots: Uint8Array;
  readonly #marks = new Map<number, string>();

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#rows = rows;
    this.#dots = new Uint8Array(columns * rows);
  }

  /** Joins points from left to right; what lies above or below is left out. */
  line(points: readonly { x: number; y: number }[]): void {
    const inReach = points.map(({ x, y }) => ({ x, y: Math.min(4 * this.#rows, Math.max(-1, y)) }));
    for (const [i, { x, y }] of inReach.entries()) {
      const before = inReach[Math.max(0, i - 1)];
      const steps = Math.max(1, Math.abs(x - before.x), Math.abs(y - before.y));
      for (let n = 0; n <= steps; n++) {
        const at = n / steps;
        this.#dot(Math.round(before.x + at * (x - before.x)), Math.round(before.y + at * (y - before.y)));
      }
    }
  }

  mark(column: number, row: number, letter: string): void {
    if (row >= 0 && row < this.#rows) this.#marks.set(row * this.#columns + column, letter);
  }

  rows(): string[] {
    return Array.from({ length: this.#rows }, (_, row) =>
      Array.from({ length: this.#columns }, (_, column) => {
        const cell = row * this.#columns + column;
        const dots = this.#dots[cell];
        return this.#marks.get(cell) ?? (dots === 0 ? ' ' : String.fromCharCode(0x2800 + dots));
      }).join(''),
    );
  }

  #dot(x: number, y: number): void {
    if (x < 0 || y < 0 || x >= 2 * this.#columns || y >= 4 * this.#rows) return;
    this.#dots[(y >> 2) * this.#columns + (x >> 1)] |= bits[y & 3][x & 1];
  }
}

/** Bits of Unicode's braille patterns, by row and column of the dot. */
const bits = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
