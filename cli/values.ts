/** Checks of option values. */
import { suggestion } from '../nn/index.ts';
import { OptionError } from '../titok/index.ts';

export function choice(option: string, value: string, among: readonly string[]): string {
  if (among.includes(value)) return value;
  throw new OptionError(`${option}: expected one of ${among.join(', ')}, got '${value}'${suggestion(value, among)}.`);
}

export function count(option: string, text: string): number {
  const n = Number(text);
  if (text.trim() !== '' && Number.isInteger(n) && n >= 0) return n;
  throw new OptionError(`${option}: expected a whole number ≥ 0, got '${text}'.`);
}
