/** A kind of trouble: what is drawn at random, and what has to hold then. */
import fc from 'fast-check';

export interface Kind<C = unknown> {
  readonly name: string;
  /** For the table: what is done. */
  readonly about: string;
  /** Part of the time, relative to the other kinds. */
  readonly share: number;
  /** Trials in one case: many where a trial takes a millisecond. Default 1. */
  readonly trials?: number;
  /** It needs no trained run. */
  readonly standsAlone?: boolean;
  readonly trial: fc.Arbitrary<C>;
  /** @returns how it ended, in a word or two    @throws when something is wrong */
  run(trial: C): Promise<string>;
  /** Why it cannot be done on this machine. */
  skip?(): string | undefined;
}

/** Infers the type of a kind's trials. */
export const defineKind = <C>(kind: Kind<C>): Kind => kind as Kind;

/** A part of something, evenly from 0 to 1; `fc.double` is even in its bits, which makes most numbers tiny. */
export const part: fc.Arbitrary<number> = fc.noBias(fc.integer({ min: 0, max: 999_999 })).map((n) => n / 1e6);

export interface CaseResult {
  /** How often each ending came. */
  readonly endings: Record<string, number>;
  /** The trial that failed, made as small as possible, and why. */
  readonly failure?: string;
}

/** Runs a case of a kind; the same seed and number give the same trials. */
export async function runCase(kind: Kind, seed: number, number: number): Promise<CaseResult> {
  const endings: Record<string, number> = {};
  const { name, trial, trials = 1 } = kind;
  const property = fc.asyncProperty(trial, async (value) => {
    const ending = await kind.run(value);
    endings[ending] = (endings[ending] ?? 0) + 1;
  });
  const details = await fc.check(property, {
    seed: hash(`${seed} ${name} ${number}`),
    numRuns: trials,
    endOnFailure: trials === 1, // a slow trial is not made smaller
    interruptAfterTimeLimit: 40_000,
    markInterruptAsFailure: false,
  });
  if (!details.failed) return { endings };
  const { counterexample, errorInstance } = details;
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return { endings, failure: `${fc.stringify(counterexample?.[0])}\n    ${why.replaceAll('\n', '\n    ')}` };
}

/** A 32-bit seed from a text (FNV-1a). */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}

/** Something that must hold. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}
