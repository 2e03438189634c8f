/** A stage's pictures over time: runs/NAME/pictures/STAGE-000250.png, and STAGE-learning.png, which plays them. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { animatedPng, removeLeftovers, writeEncoded } from '../data/index.ts';
import type { StageName } from './stage.ts';

/** Pictures kept for each stage, besides the first and the last. */
const most = 40;
const mostBytes = 6e6; // of an animation

/** One picture of the row. */
export interface Frame {
  /** Updates done when it was drawn. */
  readonly step: number;
  readonly path: string;
}

/** The pictures of a stage in a run's folder, by rising steps. */
export function framesOf(folder: string, stage: StageName): Frame[] {
  const pictures = join(folder, 'pictures');
  if (!existsSync(pictures)) return [];
  return readdirSync(pictures)
    .flatMap((file) => {
      const [, name, step] = /^(\w+)-(\d{6,})\.png$/.exec(file) ?? [];
      return name === stage ? [{ step: Number(step), path: join(pictures, file) }] : [];
    })
    .sort((a, b) => a.step - b.step);
}

/** The animated picture of a stage. */
const animationOf = (folder: string, stage: StageName): string => join(folder, `${stage}-learning.png`);

/** Deletes a stage's pictures of updates after one, except those of the steps `kept`; after none: the animation, too. */
export function forgetFrames(folder: string, stage: StageName, step: number, kept?: ReadonlySet<number>): void {
  for (const frame of framesOf(folder, stage))
    if (frame.step > step && !kept?.has(frame.step)) rmSync(frame.path, { force: true });
  if (step === 0) rmSync(animationOf(folder, stage), { force: true });
}

/** At most `most` items, ≥ 2: the first, the last, and others at equal distances. */
export function thinned<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]);
}

/** Keeps what a training draws from time to time. */
export class Film {
  readonly #folder: string;
  readonly #stage: StageName;
  readonly #every: number;
  readonly #drawn = new Set<number>();

  /** @param every  updates between pictures */
  constructor(folder: string, stage: StageName, every: number) {
    if (existsSync(join(folder, 'pictures'))) removeLeftovers(join(folder, 'pictures'));
    this.#folder = folder;
    this.#stage = stage;
    this.#every = every;
  }

  /**
   * Keeps a copy of a picture that was just drawn: the first, the last, and those at a multiple of a distance, which doubles
   * when there are too many.
   *
   * @returns nothing when the picture is not kept
   */
  keep(step: number, picture: string, last: boolean): Frame | undefined {
    let distance = this.#every;
    while (step / distance > most) distance *= 2;
    const isKept = (step: number) => step <= 1 || step % distance === 0;
    if (!last && !isKept(step)) return undefined;
    const path = join(this.#folder, 'pictures', `${this.#stage}-${String(step).padStart(6, '0')}.png`);
    writeEncoded(path, readFileSync(picture));
    this.#drawn.add(step);
    for (const frame of framesOf(this.#folder, this.#stage))
      if (frame.step < step && !isKept(frame.step)) rmSync(frame.path, { force: true });
    return { step, path };
  }

  /** Deletes pictures of earlier sessions that show a later state than the update that this one started from. */
  forgetEarlier(step: number): void {
    forgetFrames(this.#folder, this.#stage, step, this.#drawn);
  }

  /** Writes the animation, of the pictures that are as large as the last one: all, or as many as some megabytes hold. */
  animate(): void {
    const files = framesOf(this.#folder, this.#stage).map(({ path }) => readFileSync(path));
    const kindOf = (png: Buffer) => png.subarray(0, 33); // signature and IHDR
    const alike = files.filter((file) => kindOf(file).equals(kindOf(files.at(-1)!)));
    const bytes = alike.reduce((sum, file) => sum + file.length, 0);
    const frames = thinned(alike, Math.max(2, Math.floor((mostBytes / bytes) * alike.length)));
    if (frames.length > 1) writeEncoded(animationOf(this.#folder, this.#stage), animatedPng(frames));
  }
}
