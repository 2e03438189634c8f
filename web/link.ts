/** A row of tokens as text: 32 tokens of 10 bits are 40 bytes, 54 characters. The link is the picture. */
import type { Baked, ModelFile } from './baked.ts';
import type { ModelInfo } from './engine/model.ts';
import type { State } from './store.ts';

/** Bits of an id below `codes`. */
export const bitsOf = (codes: number): number => Math.ceil(Math.log2(codes));

/** Bytes of a row: K ids of ⌈log₂ V⌉ bits each, without gaps, the highest bit first. */
export const bytesOf = (tokens: number, codes: number): number => Math.ceil((tokens * bitsOf(codes)) / 8);

/** Ids in 0..codes−1 without gaps, the highest bit first. */
export function packRow(ids: ArrayLike<number>, codes: number): Uint8Array {
  const width = bitsOf(codes);
  const bytes = new Uint8Array(bytesOf(ids.length, codes));
  for (let i = 0; i < ids.length; i++) {
    for (let b = 0; b < width; b++) {
      const at = i * width + b;
      if ((ids[i] >> (width - 1 - b)) & 1) bytes[at >> 3] |= 128 >> (at & 7);
    }
  }
  return bytes;
}

/** The ids of `packRow`. */
export function unpackRow(bytes: Uint8Array, tokens: number, codes: number): number[] {
  const width = bitsOf(codes);
  return Array.from({ length: tokens }, (_, i) => {
    let id = 0;
    for (let at = i * width; at < (i + 1) * width; at++) id = 2 * id + ((bytes[at >> 3] >> (7 - (at & 7))) & 1);
    return id;
  });
}

/** Ids in 0..codes−1 as base64url. */
export function rowToText(ids: readonly number[], codes: number): string {
  return btoa(String.fromCharCode(...packRow(ids, codes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** The ids in a text of `rowToText`, or undefined when it is none of a row of so many tokens and codes. */
export function textToRow(text: string, tokens: number, codes: number): number[] | undefined {
  if (!/^[\w-]*$/.test(text)) return undefined;
  let binary: string;
  try {
    binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  } catch {
    return undefined;
  }
  if (binary.length !== bytesOf(tokens, codes)) return undefined;
  const ids = unpackRow(
    Uint8Array.from(binary, (c) => c.charCodeAt(0)),
    tokens,
    codes,
  );
  return ids.every((id) => id < codes) ? ids : undefined;
}

/**
 * The part of an address behind #: what differs from the first state. `t` is the row, `o` the second one.
 *
 * @param model  the one of the state
 * @param usual  the name of the model that the page begins with
 */
export function addressOf(state: State, model: ModelInfo, baked: Baked, usual: string): string {
  const [first, second] = baked.rows;
  const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((id, i) => id === b[i]);
  const isBaked = state.model === baked.model.name;
  const fields = new URLSearchParams();
  if (state.model !== usual) fields.set('m', state.model);
  if (!isBaked || !same(state.row, first.ids)) fields.set('t', rowToText(state.row, model.codes));
  if (!isBaked || !same(state.other, second.ids)) fields.set('o', rowToText(state.other, model.codes));
  if (state.exhibit !== 'tokenize') fields.set('x', state.exhibit);
  if (state.seed !== 1) fields.set('s', `${state.seed}`);
  for (const [name, value] of Object.entries(state.knobs)) fields.set(`k.${name}`, value);
  const text = `${fields}`;
  return text && `#${text}`;
}

type Size = Pick<ModelInfo, 'name' | 'tokens' | 'codes'>;

/** What an address says; what is no state of this page is left out. */
export function readAddress(hash: string, models: readonly ModelFile[], fallback: Size): Partial<State> {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const known = models.find(({ name }) => name === (fields.get('m') ?? fallback.name));
  const { tokens, codes } = known ?? fallback;
  const isForeign = fields.has('m') && !known; // rows of a model that is not here would be other pictures
  const rowOf = (name: string) => (isForeign ? undefined : textToRow(fields.get(name) ?? '-', tokens, codes));
  const [row, other] = [rowOf('t'), rowOf('o')];
  const seed = Number(fields.get('s') ?? Number.NaN);
  const exhibit = fields.get('x');
  const knobs = Object.fromEntries([...fields].flatMap(([k, v]) => (k.startsWith('k.') ? [[k.slice(2), v]] : [])));
  return {
    ...(known && fields.has('m') && { model: known.name }),
    ...(row && { row, source: undefined, picture: undefined, pictured: undefined }),
    ...(other && { other }),
    ...(Number.isSafeInteger(seed) && { seed }),
    ...(exhibit && /^[a-z]+$/.test(exhibit) && { exhibit }),
    ...(Object.keys(knobs).length > 0 && { knobs }),
  };
}
