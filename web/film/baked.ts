/** The film that comes with the page, so that the first one is there before the model. */
import bakedFilm from 'virtual:baked-film';
import type { App } from '../app.ts';
import type { FilmStep } from '../engine/film.ts';
import type { Pixels } from '../engine/model.ts';
import { squarePixels } from '../ui/picture.ts';
import { filmKnobs, settingsOf } from './settings.ts';

/** Whether the knobs ask for this film. */
export function isBaked(app: App): boolean {
  const { state } = app.store;
  const { className, seed } = settingsOf(state, app);
  const isUsual = className === bakedFilm.className && seed === bakedFilm.seed && filmKnobs(state) === '[]';
  return isUsual && state.model === app.baked.model.name;
}

/** Its steps, with their pictures. */
export async function bakedSteps({ baked }: App): Promise<FilmStep[]> {
  const { size, codes } = baked.model;
  const tiles = await tilesOf(bakedFilm.pictures, size);
  let tile = 0;
  return bakedFilm.steps.map((step) => ({
    ...step,
    picture: step.guesses.includes(codes) ? undefined : tiles[tile++],
  }));
}

/** Square tiles of a picture, from left to right. */
async function tilesOf(url: string, size: number): Promise<Pixels[]> {
  const sheet = new Image();
  sheet.src = url;
  await sheet.decode();
  return Promise.all(
    Array.from({ length: sheet.naturalWidth / size }, async (_, i) =>
      squarePixels(await createImageBitmap(sheet, i * size, 0, size, size), size, size, size),
    ),
  );
}
