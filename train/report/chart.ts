/** A chart of curves as inline SVG. */
import { binned, type Curve, type Point, rangeOf, shortNumber, ticks } from './curves.ts';
import { type Html, html } from './html.ts';

/** The curve of one run. */
export interface ChartLine extends Curve {
  /** Number of its color. */
  readonly color: number;
}

/** Colors that can be told apart on a light and on a dark page; further lines take them again. */
export const colors = 6;

const [width, height] = [420, 230];
const frame = { left: 52, right: width - 10, top: 10, bottom: height - 24 };
/** What curves are cut off at: the frame, and half a dot more. */
const plot = {
  x: frame.left - 4,
  y: frame.top - 4,
  width: frame.right - frame.left + 8,
  height: frame.bottom - frame.top + 8,
};
const mostPoints = 210; // one for each two units of the width

/**
 * Curves of one figure: a thin line while training, a line with dots on held-out images.
 *
 * @param over  what is counted from left to right
 */
export function chart(title: string, lines: readonly ChartLine[], over = 'updates'): Html {
  const shown = lines.map((line) => ({ ...line, train: binned(line.train, mostPoints) }));
  const all = shown.flatMap(({ train, heldOut }) => [train, heldOut]);
  const [low, high] = rangeOf(all, over === 'updates' ? undefined : 0);
  const last = Math.max(1, ...all.map((points) => points.at(-1)?.step ?? 0));
  const x = (step: number) => frame.left + (step / last) * (frame.right - frame.left);
  const y = (value: number) => frame.bottom - ((value - low) / (high - low)) * (frame.bottom - frame.top);
  const path = (points: readonly Point[]) =>
    points.map(({ step, value }, i) => `${i === 0 ? 'M' : 'L'}${round(x(step))} ${round(y(value))}`).join('');
  const line = (points: readonly Point[], style: string, color: number) =>
    points.length > 1 && html`<path class="${style} c${color % colors}" d="${path(points)}"/>`;
  const dots = (points: readonly Point[], style: string, color: number) =>
    points
      .filter(({ value }) => value >= low && value <= high)
      .map(
        ({ step, value }) =>
          html`<circle class="${style} c${color % colors}" cx="${round(x(step))}" cy="${round(y(value))}" r="2.6"><title>${shortNumber(step)} ${over}: ${shortNumber(value)}</title></circle>`,
      );
  return html`<figure class="chart"><figcaption><b>${title}</b>${shown.length === 1 && ends(shown[0])}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${describe(title, lines, over)}">
${ticks(low, high, 5).map((value) => html`<path class="grid" d="M${frame.left} ${round(y(value))}H${frame.right}"/><text class="tick" x="${frame.left - 6}" y="${round(y(value) + 3.5)}" text-anchor="end">${shortNumber(value)}</text>`)}
${ticks(0, last, 4).map((step) => html`<text class="tick" x="${round(x(step))}" y="${height - 8}" text-anchor="${step === 0 ? 'start' : x(step) > frame.right - 15 ? 'end' : 'middle'}">${shortNumber(step)}</text>`)}
<path class="axis" d="M${frame.left} ${frame.bottom}H${frame.right}"/>
<svg x="${plot.x}" y="${plot.y}" width="${plot.width}" height="${plot.height}" viewBox="${plot.x} ${plot.y} ${plot.width} ${plot.height}">
${shown.map(({ train, color }) => html`${line(train, 'train', color)}${train.length === 1 && dots(train, 'train-dot', color)}`)}
${shown.map(({ heldOut, color }) => html`${line(heldOut, 'held-out', color)}${dots(heldOut, 'dot', color)}`)}
</svg></svg></figure>`;
}

/** ' 2.45, held-out 2.51': where a curve is now. */
function ends({ train, heldOut }: Curve): string {
  const parts = [
    train.length > 0 && shortNumber(train[train.length - 1].value),
    heldOut.length > 0 && `held-out ${shortNumber(heldOut[heldOut.length - 1].value)}`,
  ];
  return ` ${parts.filter(Boolean).join(', ')}`;
}

/** 'crossEntropy over updates, at the end 2.45, held-out 2.51' */
const describe = (title: string, lines: readonly ChartLine[], over: string): string =>
  `${title} over ${over}, at the end${lines.map(ends).join(';')}`;

const round = (x: number): number => Math.round(10 * x) / 10;
