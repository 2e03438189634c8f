/** Plays the steps of a film. */
import type { FilmStep } from '../engine/film.ts';

export const frameMs = 300;

/** A film that has arrived so far. */
export interface Film {
  /** Of its settings. */
  readonly key: string;
  readonly steps: FilmStep[];
  isComplete: boolean;
}

/** The film that is shown, if any, and the step at which it is. */
export class Player {
  #film: Film | undefined;
  #at = 0;
  #next: ReturnType<typeof setTimeout> | undefined;
  readonly #changed: () => void;

  /** @param changed  hears each step, and the end */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get film(): Film | undefined {
    return this.#film;
  }
  get at(): number {
    return this.#at;
  }
  get isPlaying(): boolean {
    return this.#next !== undefined;
  }
  /** The last step of what has arrived. */
  get last(): number {
    return this.#film ? this.#film.steps.length - 1 : 0;
  }

  /** Shows another film, or none, at a step. Nothing plays. */
  load(film: Film | undefined, at = 0): void {
    this.stop();
    this.#film = film;
    this.#at = at;
  }

  /** Plays on from the present step; at the last one of a film that is still arriving it waits for more. */
  play(): void {
    this.stop();
    this.#next = setTimeout(() => {
      this.#next = undefined;
      if (this.#film && !(this.#film.isComplete && this.#at >= this.last)) {
        this.#at = Math.min(this.last, this.#at + 1);
        this.play();
      } else {
        this.#changed();
      }
    }, frameMs);
    this.#changed();
  }

  stop(): void {
    clearTimeout(this.#next);
    this.#next = undefined;
  }

  goTo(step: number): void {
    this.stop();
    this.#at = Math.min(this.last, Math.max(0, step));
    this.#changed();
  }
}
