/** Bar charts of ratios as SVG, with a line at 1. */

export interface Bar {
  /** Plain text: not escaped. */
  readonly label: string;
  readonly value: number;
  /** Relative: the whisker reaches half of it to either side. */
  readonly spread: number;
}

export interface Chart {
  readonly title: string;
  readonly bars: readonly Bar[];
  /** Linear for ratios around 1, logarithmic for factors up to a thousand. */
  readonly axis: 'linear' | 'logarithmic';
}

const ROW = 24; // pixels, like all lengths below
const [WIDTH, VALUES] = [440, 70];
const LETTER = 7; // mean width of a letter, rounded up
const [TOP, BOTTOM] = [44, 30];
const colors = { bar: '#3b7dd8', line: '#222222', grid: '#dddddd', text: '#222222' };

export function barChart({ title, bars, axis }: Chart): string {
  const left = 16 + LETTER * Math.max(0, ...bars.map(({ label }) => label.length));
  const largest = 1.1 * Math.max(1, ...bars.map(({ value, spread }) => value * (1 + spread / 2)));
  const smallest = axis === 'linear' ? 0 : Math.min(1, ...bars.map(({ value }) => value)) / 1.2;
  const scale = axis === 'linear' ? (v: number) => v : (v: number) => Math.log10(Math.max(v, smallest));
  const x = (v: number) => round(left + (WIDTH * (scale(v) - scale(smallest))) / (scale(largest) - scale(smallest)));
  const height = TOP + ROW * bars.length + BOTTOM;
  const bottom = height - BOTTOM;
  const ticks = axis === 'linear' ? steps(largest) : [1, 10, 100, 1000].filter((v) => v >= smallest && v <= largest);

  const text = (x: number, y: number, content: string, extra = '') =>
    `<text x="${x}" y="${y}" ${extra}>${content}</text>`;
  const vertical = (x: number, y1: number, y2: number, color: string, width: number) =>
    `<line x1="${x}" x2="${x}" y1="${y1}" y2="${y2}" stroke="${color}" stroke-width="${width}"/>`;
  const rows = bars.flatMap(({ label, value, spread }, i) => {
    const y = TOP + ROW * i;
    const [low, high] = [x(value * (1 - spread / 2)), x(value * (1 + spread / 2))];
    return [
      text(left - 8, y + 16, label, 'text-anchor="end"'),
      `<rect x="${left}" y="${y + 4}" width="${round(x(value) - left)}" height="${ROW - 8}" fill="${colors.bar}"/>`,
      `<line x1="${low}" x2="${high}" y1="${y + ROW / 2}" y2="${y + ROW / 2}" stroke="${colors.line}"/>`,
      text(left + WIDTH + 8, y + 16, `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ×`),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + WIDTH + VALUES}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${colors.text}">`,
    `<title>${title}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    text(12, 22, title, 'font-size="14" font-weight="bold"'),
    ...ticks.flatMap((v) => [
      vertical(x(v), TOP, bottom, colors.grid, 1),
      text(x(v), bottom + 16, String(v), 'text-anchor="middle"'),
    ]),
    ...rows,
    vertical(x(1), TOP - 4, bottom + 2, colors.line, 1.5),
    '</svg>',
    '',
  ].join('\n');
}

/** 0, step, 2 step, … up to a limit, at most a dozen. */
function steps(limit: number): number[] {
  const step = [0.25, 0.5, 1, 2, 5, 10].find((s) => limit / s <= 12) ?? limit / 10;
  return Array.from({ length: Math.floor(limit / step) + 1 }, (_, i) => i * step);
}

const round = (v: number): number => Math.round(10 * v) / 10;
