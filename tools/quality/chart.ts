/** Curves with bands as SVG: the middle of several seeds, and the range from the lowest to the highest. */
import { ticks } from '../../train/index.ts';
import type { Curve, Results } from './results.ts';

const titles: Readonly<Record<string, string>> = {
  'teacher psnr': 'Teacher: PSNR, dB',
  'warmup crossEntropy': "Stage 1: cross-entropy of the teacher's codes, nats",
  'warmup spread': 'Stage 1: how much latents differ between pictures',
  'warmup codeUse': 'Stage 1: different codes in a batch, share of as many as possible',
  'finetune psnr': 'Stage 2: PSNR, dB',
  'finetune margin': 'Stage 2: what the discriminator tells pictures apart by',
  'generator loss': 'Stage 3: loss',
  'generator accuracy': 'Stage 3: masked tokens guessed right',
};
const [width, height] = [400, 190]; // of one chart, pixels
const frame = { left: 46, right: width - 12, top: 30, bottom: height - 24 };

/** The charts of a preset, two in a row. */
export function bandCharts({ preset, stages }: Results): string {
  const charts = Object.entries(titles).flatMap(([name, title]) => {
    const [stage, figure] = name.split(' ');
    const curve = stages[stage]?.curves[figure];
    return curve ? [{ title, curve, updates: stages[stage].updates }] : [];
  });
  const rows = Math.ceil(charts.length / 2);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * width}" height="${rows * height}" font-family="system-ui, sans-serif" font-size="11" fill="#222222">`,
    `<title>Curves of preset ${preset} over updates</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...charts.map(
      ({ title, curve, updates }, i) =>
        `<g transform="translate(${(i % 2) * width} ${Math.floor(i / 2) * height})">${bandChart(title, curve, updates)}</g>`,
    ),
    '</svg>',
    '',
  ].join('\n');
}

function bandChart(title: string, { steps, low, middle, high }: Curve, updates: number): string {
  const [least, most] = [Math.min(...low), Math.max(...high)];
  const margin = 0.05 * (most - least || 1);
  const [bottom, top] = [least - margin, most + margin];
  const x = (step: number) => round(frame.left + ((frame.right - frame.left) * step) / updates);
  const y = (value: number) => round(frame.bottom - ((frame.bottom - frame.top) * (value - bottom)) / (top - bottom));
  const points = (values: readonly number[]) => values.map((value, i) => `${x(steps[i])} ${y(value)}`);
  const band = [...points(high), ...points(low).reverse()];
  const text = (x: number, y: number, content: string, extra: string) =>
    `<text x="${x}" y="${y}" ${extra}>${content}</text>`;
  const marks = ticks(bottom, top, 4).flatMap((value) => [
    `<path d="M${frame.left} ${y(value)}H${frame.right}" stroke="#dddddd"/>`,
    text(frame.left - 6, y(value) + 4, String(value), 'text-anchor="end"'),
  ]);
  return [
    text(frame.left, 18, title, 'font-weight="bold"'),
    ...marks,
    text(frame.left, height - 8, '0', ''),
    text(frame.right, height - 8, `${updates} updates`, 'text-anchor="end"'),
    `<path d="M${band.join('L')}Z" fill="#3b7dd8" opacity="0.25"/>`,
    `<path d="M${points(middle).join('L')}" fill="none" stroke="#3b7dd8" stroke-width="1.5"/>`,
  ].join('\n');
}

const round = (value: number): number => Math.round(10 * value) / 10;
