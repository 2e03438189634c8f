/** Films of MaskGIT at work: what it guessed at each step, how surely, and the picture of its guesses. */
import { Rng } from '../../core/index.ts';
import { drawsFrom, maskId, type SamplingOptions, samplingSteps } from '../../maskgit/index.ts';
import { tokenHeatMap } from '../../titok/index.ts';
import { current, decode, type Pixels } from './model.ts';

/** What to draw. The same request gives the same film. */
export interface FilmRequest {
  /** index of the class */
  readonly label: number;
  readonly seed: number;
  readonly sampling: SamplingOptions;
  /** Ids to keep, and the mask id (the number of codes) where a token is to be drawn. Default: all are drawn. */
  readonly start?: readonly number[] | undefined;
}

/** The row after a step. Step 0 is the start. */
export interface FilmStep {
  /** The mask id where masked. */
  readonly ids: readonly number[];
  /** What the step drew at each place, also where it was masked again. */
  readonly guesses: readonly number[];
  /** Of the guesses, 0..1. */
  readonly confidence: readonly number[];
  /** Of the guesses; none where nothing is guessed yet. */
  readonly picture: Pixels | undefined;
}

/** Pictures decoded at once: a tenth faster than one by one, and the first is there early. */
const atOnce = 4;

/**
 * Draws a film: yields its states in order, several at a time, with their pictures, and returns how many there are.
 *
 * @throws Error in words for visitors, without a generator
 */
export async function* film({
  label,
  seed,
  sampling,
  start,
}: FilmRequest): AsyncGenerator<FilmStep[], number, undefined> {
  const { generator } = current();
  if (!generator) throw new Error('This model has no generator. Choose another one above.');
  const mask = maskId(generator.config);
  const steps: Omit<FilmStep, 'picture'>[] = [];
  const draws = drawsFrom(new Rng(seed));
  for await (const { ids, guesses, confidence } of samplingSteps(
    generator,
    [label],
    sampling,
    draws,
    start && { start },
  ))
    steps.push({ ids: [...ids], guesses: [...guesses], confidence: [...confidence] });
  const pictures = new Map<string, Pixels>(); // steps with equal guesses share one
  for (let at = 0; at < steps.length; at += atOnce) {
    const some = steps.slice(at, at + atOnce);
    const rows = new Map(some.map(({ guesses }) => [`${guesses}`, guesses]));
    const unseen = [...rows].filter(([key, row]) => !pictures.has(key) && !row.includes(mask));
    if (unseen.length > 0) {
      const decoded = await decode(unseen.map(([, row]) => row));
      for (const [i, [key]] of unseen.entries()) pictures.set(key, decoded[i]);
    }
    yield some.map((step) => ({ ...step, picture: pictures.get(`${step.guesses}`) }));
  }
  return steps.length;
}

/** A rectangle on a picture: left, top, right and bottom edge in 0..1. */
export type Rectangle = readonly [left: number, top: number, right: number, bottom: number];

/** The last heat maps, for a second rectangle on the same picture. */
let heat: { readonly key: string; readonly maps: readonly Float32Array[] } | undefined;

/**
 * What share of each token's heat lies in a rectangle, 0..1. Yields how many tokens have been looked at: some 60 pictures are
 * decoded, once for a row.
 */
export async function* sharesIn(
  row: readonly number[],
  [left, top, right, bottom]: Rectangle,
): AsyncGenerator<number, number[], undefined> {
  const { tokenizer, metadata } = current();
  const key = `${metadata.name} ${row}`;
  if (heat?.key !== key) {
    const maps: Float32Array[] = [];
    while (maps.length < row.length) {
      const tokens = Array.from({ length: Math.min(4, row.length - maps.length) }, (_, i) => maps.length + i);
      const some = await tokenHeatMap(tokenizer, row, { tokens });
      for (let i = 0; i < tokens.length; i++)
        maps.push(some.slice((i * some.length) / tokens.length, ((i + 1) * some.length) / tokens.length));
      yield maps.length;
    }
    heat = { key, maps };
  }
  const size = tokenizer.config.imageSize;
  const isIn = (p: number) => {
    const [x, y] = [((p % size) + 0.5) / size, (Math.floor(p / size) + 0.5) / size];
    return x >= left && x <= right && y >= top && y <= bottom;
  };
  return heat.maps.map((map) => map.reduce((sum, share, p) => sum + (isIn(p) ? share : 0), 0));
}
