/** What a film is drawn from, as the knobs of the page say it. */
import bakedFilm from 'virtual:baked-film';
import type { App } from '../app.ts';
import { textToRow } from '../link.ts';
import type { State } from '../store.ts';

export const schedules = ['arccos', 'cosine', 'linear', 'root', 'square'] as const;
export const limits = {
  temperature: { min: 0, max: 10, step: 0.5 },
  guidance: { min: 0, max: 10, step: 0.5 },
  steps: { min: 1, max: 24, step: 1 },
} as const;

/** Equal settings give equal films. */
export interface Settings {
  readonly className: string;
  readonly seed: number;
  readonly temperature: number;
  readonly guidance: number;
  readonly steps: number;
  readonly schedule: (typeof schedules)[number];
  /** Where tokens were locked: the ids to keep, and the number of codes where a token is drawn. */
  readonly start: readonly number[] | undefined;
}

/** What the knobs say; the model's own settings where they say nothing, or nothing that can be. */
export function settingsOf({ knobs, seed }: State, { model }: App): Settings {
  const { classes, sampling, tokens, codes } = model;
  const number = (name: keyof typeof limits, usual: number): number => {
    const { min, max } = limits[name];
    const value = Number(knobs[`film.${name}`] ?? Number.NaN);
    return Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : usual;
  };
  const className = [knobs['film.class'], bakedFilm.className].find((name) => name && classes.includes(name));
  const schedule = [knobs['film.schedule'], sampling.schedule].find((name) =>
    schedules.some((known) => known === name),
  );
  return {
    className: className ?? classes[0] ?? '',
    seed,
    temperature: number('temperature', sampling.randomizeTemperature),
    guidance: number('guidance', sampling.guidanceScale),
    steps: Math.round(number('steps', sampling.steps)),
    schedule: (schedule ?? 'arccos') as Settings['schedule'],
    start: textToRow(knobs['film.start'] ?? '-', tokens, codes + 1),
  };
}

/** Of a state, to compare. */
export const filmKnobs = ({ knobs }: State): string =>
  JSON.stringify(Object.entries(knobs).filter(([name]) => name.startsWith('film.')));
