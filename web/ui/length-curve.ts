/** PSNR over the number of tokens, as a small chart. */
import { h } from './dom.ts';

/** [tokens, dB] */
export type LengthPoint = readonly [tokens: number, psnr: number];

export interface LengthCurve {
  readonly element: HTMLElement;
  /**
   * @param own      of the picture at hand
   * @param average  of held-out pictures
   * @param k        is marked
   */
  show(own: readonly LengthPoint[], average: readonly LengthPoint[], k: number): void;
}

const [width, height] = [360, 200];
const [left, right, top, bottom] = [34, 8, 10, 30]; // margins

/** A chart that screen readers see as an image. @param tokens  how far it goes */
export function lengthCurve(tokens: number): LengthCurve {
  const element = h('div', { class: 'length-curve', role: 'img', 'aria-label': 'PSNR over the number of tokens' });
  const x = (k: number) => left + ((k - 1) / (tokens - 1)) * (width - left - right);
  return {
    element,
    show(own, average, k) {
      const values = [...own, ...average].map(([, psnr]) => psnr);
      if (values.length === 0) return;
      const low = Math.floor(Math.min(...values) - 0.5);
      const high = Math.ceil(Math.max(...values) + 0.5);
      const y = (psnr: number) => top + ((high - psnr) / (high - low)) * (height - top - bottom);
      const step = high - low > 8 ? 4 : 2;
      const ticks = Array.from({ length: high - low + 1 }, (_, i) => low + i).filter((dB) => dB % step === 0);
      const line = (points: readonly LengthPoint[], name: string) =>
        `<polyline class="${name}" points="${points.map(([k, psnr]) => `${x(k).toFixed(1)},${y(psnr).toFixed(1)}`).join(' ')}"/>`;
      const at = own.find(([n]) => n === k);
      const lengths = [1, ...Array.from({ length: Math.floor(tokens / 4) }, (_, i) => 4 * (i + 1))];
      // only numbers of ours go into this text
      element.innerHTML = `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true">
        ${ticks.map((dB) => `<path class="grid" d="M${left} ${y(dB)}H${width - right}"/><text x="${left - 6}" y="${y(dB) + 4}" text-anchor="end">${dB}</text>`).join('')}
        ${lengths.map((n) => `<text x="${x(n)}" y="${height - bottom + 16}" text-anchor="middle">${n}</text>`).join('')}
        <text x="${width - right}" y="${height - 1}" text-anchor="end">tokens</text><text x="0" y="${height - 1}">dB</text>
        <path class="grid now" d="M${x(k)} ${top}V${height - bottom}"/>
        ${line(average, 'average')}${line(own, 'own')}
        ${at ? `<circle class="own" cx="${x(k)}" cy="${y(at[1])}" r="5"/>` : ''}</svg>`;
      const told = (points: readonly LengthPoint[]) =>
        points.length > 0 ? `from ${points[0][1].toFixed(1)} to ${points.at(-1)![1].toFixed(1)} dB` : 'unknown';
      element.setAttribute(
        'aria-label',
        `PSNR from 1 to ${tokens} tokens: this picture ${told(own)}, held-out pictures ${told(average)}`,
      );
    },
  };
}
