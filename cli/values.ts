/** Checks of option values. */
import { OptionError, suggestion } from '../core/index.ts';

export function choice(option: string, value: string, among: readonly string[]): string {
  if (among.includes(value)) return value;
  throw new OptionError(`${option}: expected one of ${among.join(', ')}, got '${value}'${suggestion(value, among)}.`);
}

export function count(option: string, text: string, least = 0): number {
  const n = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(n) && n >= least) return n;
  throw new OptionError(`${option}: expected a whole number ≥ ${least}, got '${text}'.`);
}
