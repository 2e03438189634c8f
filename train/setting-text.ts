/** Settings as text: how a command line gives them. */
import { OptionError, suggestion } from '../core/index.ts';
import type { Setting } from './settings.ts';

/**
 * The value of a setting that is given as text. Numbers are decimal: '12', '-0.5', '1e3'; several have commas between them.
 *
 * @param option  names the setting in errors: '--batch-size'
 * @throws OptionError `--batch-size: expected a whole number from 1 to 65536, got '0x10'.`
 */
export function fromText({ type, range, words, accepts }: Setting, option: string, text: string): unknown {
  const value = type === 'number' ? decimal(text) : type === 'numbers' ? text.split(',').map(decimal) : text;
  if (accepts(value)) return value;
  const comma = type === 'number' && /\d,\d/.test(text) ? ' Write a decimal point, and no commas.' : '';
  throw new OptionError(`${option}: expected ${range}, got '${text}'${suggestion(text, words)}.${comma}`);
}

/** NaN for anything but a decimal number, also for what `Number` would take: '', ' 5', '0x10'. */
const decimal = (text: string): number =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
