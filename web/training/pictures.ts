/** What a training makes of pictures: now, and after each update that was kept. */
import { h, slider } from '../ui/dom.ts';
import { stillPicture } from '../ui/picture.ts';
import type { Run } from './kept.ts';

export interface TrainingPictures {
  readonly element: HTMLElement;
  /** The pictures of a run: the newest, unless the visitor looks at earlier ones. */
  show(run: Run): void;
  /** Goes back to the newest. */
  newest(): void;
  /** Pictures of no run, under a heading. */
  preview(heading: string, pictures: readonly HTMLElement[]): void;
  clear(): void;
}

export function trainingPictures(): TrainingPictures {
  let run: Run | undefined;
  let at = -1; // of the run's frames; -1: the newest
  const caption = h('h3', {});
  const pictures = h('div', { class: 'training-pictures' });
  const time = slider(
    'Pictures after update',
    { min: 0, max: 0, value: 0 },
    (i) => {
      at = i === (run?.frames.length ?? 0) - 1 ? -1 : i;
      showFrame();
    },
    (i) => `${run?.frames[i]?.done ?? 0}`,
  );

  function showFrame(): void {
    const frame = run?.frames.at(at);
    if (!run || !frame) return;
    const { originals, heldOut, learned, plan } = run.ready;
    const quality = frame.psnr === undefined ? '' : `, ${frame.psnr.toFixed(1)} dB`;
    caption.textContent =
      plan.kind === 'generator'
        ? 'New pictures, drawn from tokens'
        : heldOut > 0
          ? `Pictures that it never trains on${quality}`
          : `Pictures that it learns from (${learned} are too few to hold some out)${quality}`;
    pictures.replaceChildren(
      ...frame.pictures.map((picture, i) => {
        const what = originals.length > 0 ? `what the model makes of picture ${i + 1}` : `sample ${i + 1}`;
        const ids = frame.ids?.[i];
        const text = ids ? `${ids.slice(0, 4).join(' ')} …` : 'no tokens yet';
        const label = h('figcaption', { title: ids?.join(' ') }, text);
        const original = originals[i] ? [stillPicture(originals[i], `picture ${i + 1}`)] : [];
        return h('figure', {}, ...original, stillPicture(picture, what), label);
      }),
    );
  }

  return {
    element: h('div', {}, caption, pictures, time.element),
    show(next) {
      run = next;
      const last = Math.max(0, run.frames.length - 1);
      time.element.hidden = false;
      time.limits(0, last);
      time.set(at < 0 ? last : at);
      showFrame();
    },
    newest() {
      at = -1;
    },
    preview(heading, some) {
      time.element.hidden = true;
      caption.textContent = heading;
      pictures.replaceChildren(...some.map((picture) => h('figure', {}, picture)));
    },
    clear: () => pictures.replaceChildren(),
  };
}
