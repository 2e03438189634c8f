/** The loss curve. */
import uPlot from 'uplot';
import type { Step } from './messages.ts';

export interface LossCurve {
  add(step: Step): void;
  clear(): void;
}

/** Loss and squared error of every step on a logarithmic axis; drawn at most once a frame. */
export function lossCurve(container: HTMLElement): LossCurve {
  // asked for at every drawing, because the system may turn dark
  const color = (name: string) => () => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { stroke: color('--soft'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false } };
  const line = (label: string, stroke: () => string): uPlot.Series => ({
    label,
    stroke,
    width: 1.5,
    points: { show: false },
    value: (_, value) => value?.toPrecision(3) ?? '–',
  });
  const size = () => ({ width: container.clientWidth, height: 260 });
  const points: [steps: number[], losses: number[], errors: number[]] = [[], [], []];
  const plot = new uPlot(
    {
      ...size(),
      scales: { x: { time: false }, y: { distr: 3 } }, // 3: logarithmic
      axes: [
        { ...axis, size: 32 },
        { ...axis, size: 60 },
      ],
      series: [{ label: 'step' }, line('loss', color('--pale')), line('squared error', color('--accent'))],
    },
    points,
    container,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(container);
  let waiting = false;
  const draw = (): void => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      plot.setData(points);
    });
  };
  return {
    add({ done, loss, squaredError }) {
      points[0].push(done);
      points[1].push(loss);
      points[2].push(squaredError);
      draw();
    },
    clear() {
      for (const list of points) list.length = 0;
      draw();
    },
  };
}
