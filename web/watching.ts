/** The page on a run that is training, as `titok watch` serves it: its curves beside the exhibits, its latest model in them. */
import type { ModelFile } from './baked.ts';
import { h } from './ui/dom.ts';

/** What `titok watch` says about its run: `WatchedRun` of cli/watch.ts. */
export interface Watched {
  readonly run: string;
  readonly progress: string;
  /** The stage that trained last. */
  readonly stage?: string;
  /** The run has never seen the emoji that the wall marks as held out. */
  readonly emojiHeldOut: boolean;
  readonly model?: ModelFile;
  readonly problem?: string;
}

const askMs = 4000;
const curvesMs = 20_000; // between two looks at the curves

/** What this page was served with; undefined on every other site. */
export function watchedRun(): Watched | undefined {
  const { textContent } = document.getElementById('run') ?? {};
  return textContent ? (JSON.parse(textContent) as Watched) : undefined;
}

/** The report, with the stage in view. */
const curvesOf = ({ stage = '' }: Watched): string => `report/?${stage}#${stage}`;

/**
 * Shows how far the run is and its curves, and asks again every few seconds.
 *
 * @param replaced  the run has its first model, or a newer one
 */
export function watch(first: Watched, element: HTMLElement, replaced: (model: ModelFile) => void): void {
  const progress = h('p', { class: 'small' });
  const curves = h('iframe', { src: curvesOf(first), title: 'Curves of the run' });
  element.append(
    h('h2', {}, `Run ${first.run}`),
    progress,
    curves,
    h('a', { class: 'small', href: 'report/', target: '_blank' }, 'Curves in a tab of their own'),
  );
  element.hidden = false;
  document.body.classList.add('watching');
  document.title = `${first.run}: ${document.title}`;
  for (const link of document.querySelectorAll<HTMLElement>('a[href^="docs/"]')) link.hidden = true; // not served here
  let crc32 = first.model?.crc32;
  let drawn = { ...first, at: performance.now() };

  const show = (now: Watched) => {
    const waits = 'There is no model of this run yet. Until then, the exhibits show the model in the box.';
    const shown = now.model ? `The exhibits show ${now.model.name}.` : waits;
    progress.textContent = `${now.progress}. ${now.problem ?? shown}`;
    if (now.model && now.model.crc32 !== crc32) {
      crc32 = now.model.crc32;
      replaced(now.model);
    }
    if (now.progress === drawn.progress || performance.now() - drawn.at < curvesMs) return;
    if (now.stage !== drawn.stage) curves.src = curvesOf(now);
    else curves.contentWindow?.location.reload(); // where it is scrolled to
    drawn = { ...now, at: performance.now() };
  };
  const ask = async () => {
    try {
      const answer = await fetch('run.json');
      show((await answer.json()) as Watched);
    } catch {
      progress.textContent = 'titok watch does not answer any more. Start it again to go on.';
    }
    setTimeout(ask, askMs);
  };
  show(first);
  setTimeout(ask, askMs);
}
