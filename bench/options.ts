/** What every benchmark receives and reports. */

/** A measured row: printed as a line of JSON with --json, as text without. */
export type Row = { readonly bench: string } & Readonly<Record<string, unknown>>;

export interface BenchOptions {
  /** Number of threads; each benchmark has its own default. */
  readonly threads?: number;
  /** Some rows with one short call each: shows that a benchmark works. Their times mean nothing. */
  readonly quick: boolean;
  readonly print: (row: Row, text: string) => void;
}

export type Bench = (options: BenchOptions) => Promise<void>;
