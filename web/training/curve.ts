/** The curve of a training: what it learns from, and what it never sees. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Point } from './messages.ts';

export interface Curve {
  /** Draws the points, at most once a frame. */
  show(points: readonly Point[], figure: string): void;
}

/** Two lines on a logarithmic axis, in a container that screen readers see as an image. */
export function curve(container: HTMLElement): Curve {
  // asked for at every drawing, because the system may turn dark
  const color = (name: string) => () => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { stroke: color('--soft'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false } };
  const number = (_: uPlot, value: number | null) => value?.toPrecision(3) ?? '–';
  const size = () => ({ width: container.clientWidth, height: 220 });
  const plot = new uPlot(
    {
      ...size(),
      scales: { x: { time: false }, y: { distr: 3 } }, // 3: logarithmic
      axes: [
        { ...axis, size: 32 },
        { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : `${tick}`)) },
      ],
      series: [
        { label: 'update' },
        { label: 'learned from', stroke: color('--soft'), width: 1, points: { show: false }, value: number },
        {
          label: 'held out',
          stroke: color('--accent'),
          width: 2.5,
          spanGaps: true,
          points: { show: true, size: 5 },
          value: number,
        },
      ],
    },
    [[], [], []],
    container,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(container);
  let next: (() => void) | undefined;
  return {
    show(points, figure) {
      if (!next)
        requestAnimationFrame(() => {
          next!();
          next = undefined;
        });
      next = () => {
        plot.setData([
          points.map(({ done }) => done),
          points.map(({ value }) => value),
          points.map(({ heldOut }) => heldOut ?? null),
        ]);
        const ends = [points[0], points.at(-1)].map((point) => point?.value.toPrecision(2) ?? 'nothing');
        container.setAttribute('aria-label', `${figure} over the updates, from ${ends[0]} to ${ends[1]}`);
      };
    },
  };
}
