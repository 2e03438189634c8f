/** What the exhibits share: the picture at hand as a row of tokens, and what a link restores. */
import type { ModelFile } from './baked.ts';
import type { Pixels } from './engine/model.ts';

/** Where a row came from. */
export interface Source {
  readonly name: string;
  readonly pixels: Pixels;
  /** Of the model's data: undefined for pictures of the visitor's own. */
  readonly heldOut: boolean | undefined;
}

export interface State {
  /** To choose from: those in the box, after the model of the run that is watched. */
  readonly models: readonly ModelFile[];
  /** The name of one of them. */
  readonly model: string;
  /** The row that all exhibits work on. */
  readonly row: readonly number[];
  /** The second picture of "Mix two". */
  readonly other: readonly number[];
  /** What `row` decodes to; undefined until the engine has decoded it. */
  readonly picture: Pixels | undefined;
  /** The row that `picture` was decoded from: an earlier one while the engine decodes `row`. */
  readonly pictured: readonly number[] | undefined;
  /** The picture that `row` was encoded from, if any. Links do not hold it. */
  readonly source: Source | undefined;
  /** The exhibit in view: a section's id. */
  readonly exhibit: string;
  readonly seed: number;
  /** Settings of the exhibits that a link restores, by names such as 'film.steps'. */
  readonly knobs: Readonly<Record<string, string>>;
  /** Changes when the engine has loaded a model, perhaps the same one again: `app.model` is the one that it has. */
  readonly loads: number;
}

type Listener = (state: State, before: State) => void;

/** What undo goes back to. */
type Rows = Pick<State, 'row' | 'other' | 'source'>;
const rowsOf = ({ row, other, source }: State): Rows => ({ row, other, source });

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);

/** The state, its listeners, and the rows that undo goes back to. */
export class Store {
  #state: State;
  readonly #listeners = new Set<Listener>();
  #undo: Rows[] = [];
  #redo: Rows[] = [];
  /** Of the last edit. */
  #stroke: unknown;
  #coming: Promise<void> | undefined;

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

  /**
   * Changes the row, and the other one if `change` holds it, such that undo brings the present ones back.
   *
   * @param stroke  undo takes successive edits of one stroke back together
   */
  edit(row: readonly number[], change: Partial<State> = {}, stroke?: unknown): void {
    const before = this.#state;
    if (!isSame(row, before.row) || !isSame(change.other ?? before.other, before.other)) {
      if (stroke === undefined || stroke !== this.#stroke) this.#undo = [...this.#undo.slice(-99), rowsOf(before)];
      this.#redo = [];
      this.#stroke = stroke;
    }
    this.set({ ...change, row });
  }

  /** Undo and redo wait for an edit that is on its way. */
  expect(edit: Promise<void>): void {
    this.#coming = edit;
    void edit.then(() => {
      if (this.#coming === edit) this.#coming = undefined;
    });
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
    if (this.#coming) void this.#coming.then(() => this.undo());
    else this.#go(this.#undo, this.#redo);
  }
  redo(): void {
    if (this.#coming) void this.#coming.then(() => this.redo());
    else this.#go(this.#redo, this.#undo);
  }
  #go(from: Rows[], to: Rows[]): void {
    const rows = from.pop();
    if (!rows) return;
    to.push(rowsOf(this.#state));
    this.#stroke = undefined;
    this.set(rows);
  }
  /** Rows of another model cannot be brought back. */
  forget(): void {
    this.#undo = [];
    this.#redo = [];
    this.#stroke = undefined;
  }

  /** Calls `listener` when one of the values has changed, and once at the beginning. */
  on(names: readonly (keyof State)[], listener: Listener): void {
    this.#listeners.add((state, before) => {
      if (names.some((name) => state[name] !== before[name])) listener(state, before);
    });
    listener(this.#state, this.#state);
  }
}
