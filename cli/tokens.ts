/** Tokens on the command line: '3=117,7=12' replaces some, '3,5,8-12' names some, 'x,y,width,height' names pixels. */
import { OptionError } from '../core/index.ts';

/** Positions of tokens, or every one of them. */
export type Positions = readonly number[] | 'all';

/** A rectangle in pixels of the model's picture. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** '3=117,7=12' → { 3 → 117, 7 → 12 }. @throws OptionError for other text, or a position that is named twice */
export function parseReplacements(text: string, option: string): ReadonlyMap<number, number> {
  const pairs = text.split(',').map((part) => /^(\d{1,6})=(\d{1,6})$/.exec(part));
  const replaced = new Map<number, number>();
  for (const pair of pairs) {
    if (!pair) throw new OptionError(`${option}: expected POSITION=CODE,… such as 3=117,7=12, got '${text}'.`);
    const position = Number(pair[1]);
    if (replaced.has(position))
      throw new OptionError(`${option}: expected one code for each position, got two for position ${position}.`);
    replaced.set(position, Number(pair[2]));
  }
  return replaced;
}

/** '3,5,8-12' → [3, 5, 8, 9, 10, 11, 12], or 'all'. @throws OptionError for other text */
export function parsePositions(text: string, option: string): Positions {
  if (text === 'all') return text;
  const positions = new Set<number>();
  for (const part of text.split(',')) {
    const found = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    const [from, to] = found ? [Number(found[1]), Number(found[2] ?? found[1])] : [1, 0];
    if (from > to) throw new OptionError(`${option}: expected positions such as 3,5,8-12, or all, got '${text}'.`);
    for (let i = from; i <= to; i++) positions.add(i);
  }
  return [...positions].sort((a, b) => a - b);
}

/** '16,8,32,32' → { x, y, width, height }. @throws OptionError for other text, or an empty rectangle */
export function parseRectangle(text: string, option: string): Rectangle {
  const found = /^(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})$/.exec(text);
  const [x, y, width, height] = found ? found.slice(1).map(Number) : [0, 0, 0, 0];
  if (width > 0 && height > 0) return { x, y, width, height };
  throw new OptionError(`${option}: expected X,Y,WIDTH,HEIGHT in pixels, such as 16,8,32,32, got '${text}'.`);
}
