/** What the exhibits share: the picture at hand as a row of tokens, and what a link restores. */
import type { Pixels } from './engine/model.ts';

/** Where a row came from. */
export interface Source {
  readonly name: string;
  readonly pixels: Pixels;
  /** Of the model's data: undefined for pictures of the visitor's own. */
  readonly heldOut: boolean | undefined;
}

export interface State {
  /** A model in the box. */
  readonly model: string;
  /** The row that all exhibits work on. */
  readonly row: readonly number[];
  /** The second picture of "Mix two". */
  readonly other: readonly number[];
  /** What `row` decodes to; undefined until the engine has decoded it. */
  readonly picture: Pixels | undefined;
  /** The picture that `row` was encoded from. Links do not hold it. */
  readonly source: Source | undefined;
  /** The exhibit in view: a section's id. */
  readonly exhibit: string;
  readonly seed: number;
  /** Settings of the exhibits that a link restores, by names such as 'film.steps'. */
  readonly knobs: Readonly<Record<string, string>>;
}

type Listener = (state: State, before: State) => void;

/** The state, its listeners, and the rows that undo goes back to. */
export class Store {
  #state: State;
  readonly #listeners = new Set<Listener>();
  #undo: (readonly number[])[] = [];
  #redo: (readonly number[])[] = [];

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  /** Changes the state, and tells the listeners. */
  set(change: Partial<State>): void {
    const before = this.#state;
    this.#state = { ...before, ...change };
    for (const listener of this.#listeners) listener(this.#state, before);
  }

  /** Changes the row such that undo brings the present one back. */
  edit(row: readonly number[], change: Partial<State> = {}): void {
    const { row: before } = this.#state;
    const isSame = row.length === before.length && row.every((id, i) => id === before[i]);
    if (!isSame) {
      this.#undo = [...this.#undo.slice(-99), before];
      this.#redo = [];
    }
    this.set({ ...change, row });
  }

  knob(name: string, value: string | number): void {
    this.set({ knobs: { ...this.#state.knobs, [name]: `${value}` } });
  }

  get canUndo(): boolean {
    return this.#undo.length > 0;
  }
  get canRedo(): boolean {
    return this.#redo.length > 0;
  }
  undo(): void {
    const row = this.#undo.pop();
    if (!row) return;
    this.#redo.push(this.#state.row);
    this.set({ row });
  }
  redo(): void {
    const row = this.#redo.pop();
    if (!row) return;
    this.#undo.push(this.#state.row);
    this.set({ row });
  }
  /** Rows of another model cannot be brought back. */
  forget(): void {
    this.#undo = [];
    this.#redo = [];
  }

  /** Calls `listener` when one of the values has changed, and once at the beginning. */
  on(names: readonly (keyof State)[], listener: Listener): void {
    this.#listeners.add((state, before) => {
      if (names.some((name) => state[name] !== before[name])) listener(state, before);
    });
    listener(this.#state, this.#state);
  }
}
