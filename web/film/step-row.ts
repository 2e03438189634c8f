/** The tokens of a film's step. */
import type { App } from '../app.ts';
import type { FilmStep } from '../engine/film.ts';
import { chips } from '../ui/chips.ts';

/** Chips of a step: masked ones are hatched and show the guess, and bars say how sure each is. @param pick  one was clicked */
export function stepRow(app: App, pick: (place: number) => void) {
  const row = chips(app, { label: 'Tokens of this step; pressed ones are locked', pick });
  return {
    element: row.element,
    /** @param step  without confidence: the picture at hand, of no film */
    show({ ids, guesses, confidence }: FilmStep, locks: ReadonlySet<number>): void {
      const { codes } = app.model;
      const isMasked = (place: number) => ids[place] === codes;
      const noteOf = (place: number): string => {
        const sure = confidence[place];
        return `${isMasked(place) ? ', masked, only guessed' : ''}${sure === undefined ? '' : `, ${Math.round(100 * sure)} % sure`}`;
      };
      row.show(guesses, (place) => locks.has(place), noteOf);
      row.chips.forEach((chip, place) => {
        chip.classList.toggle('masked', isMasked(place));
        if (isMasked(place)) chip.style.backgroundColor = '';
        chip.style.setProperty('--sure', `${confidence[place] ?? 0}`);
        chip.style.setProperty('--code', app.colors[guesses[place]] ?? 'transparent');
        if (guesses[place] === codes) {
          chip.textContent = '';
          chip.setAttribute('aria-label', `token ${place + 1}: masked`);
        }
      });
    },
  };
}
