/** Damage to files: bytes, JSON, and the header and metadata of safetensors. */
import fc from 'fast-check';
import { part } from './kind.ts';

/** One change to bytes. */
export type Edit =
  | { readonly kind: 'set' | 'flip' | 'insert'; readonly at: number; readonly byte: number }
  | { readonly kind: 'cut' | 'zero' | 'repeat'; readonly at: number; readonly length: number }
  | { readonly kind: 'end'; readonly at: number };

const length = fc.integer({ min: 1, max: 300 });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('set' as const, 'flip' as const, 'insert' as const),
    at: part,
    byte: fc.nat(255),
  }),
  fc.record({ kind: fc.constantFrom('cut' as const, 'zero' as const, 'repeat' as const), at: part, length }),
  fc.record({ kind: fc.constant('end' as const), at: part }),
);
export const edits: fc.Arbitrary<Edit[]> = fc.array(edit, { minLength: 1, maxLength: 4 });

/** Bytes with changes; `within` moves the places to the beginning, where formats keep what they believe. */
export function edited(bytes: Uint8Array, changes: readonly Edit[], within = bytes.length): Uint8Array {
  let result = Uint8Array.from(bytes);
  for (const change of changes) {
    const i = Math.floor(change.at * Math.min(within, result.length));
    const [before, after] = [result.subarray(0, i), result.subarray(i)];
    if (change.kind === 'end') result = before.slice();
    else if (change.kind === 'set') result[i] = change.byte;
    else if (change.kind === 'flip') result[i] ^= 1 << (change.byte % 8);
    else if (change.kind === 'insert') result = joined(before, [change.byte], after);
    else if (change.kind === 'cut') result = joined(before, after.subarray(change.length));
    else if (change.kind === 'zero') result.fill(0, i, i + change.length);
    else if (change.kind === 'repeat') result = joined(before, after.subarray(0, change.length), after);
  }
  return result;
}

export function joined(...parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** One change to a JSON value: a node is replaced, removed, or gets another name. */
export interface JsonEdit {
  readonly at: number;
  readonly change: 'remove' | 'rename' | { readonly value: unknown };
}

const odd = fc.constantFrom<unknown[]>(
  ...[null, true, false, 0, -1, 1, 1.5, 3, 1e9, 2 ** 53, 1e308, -1e308, '', 'x', '0', 'NaN', 'Infinity', '__proto__'],
  ...[
    [],
    [0],
    [1, 2, 3],
    [null],
    [[]],
    {},
    { a: 1 },
    { length: 3 },
    'F16',
    'I64',
    [2 ** 40, 2 ** 40],
    '\ud800',
    '../x',
  ],
);
const jsonEdit: fc.Arbitrary<JsonEdit> = fc.record({
  at: part,
  change: fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom('remove' as const, 'rename' as const) },
    { weight: 3, arbitrary: fc.record({ value: odd }) },
  ),
});
export const jsonEdits: fc.Arbitrary<JsonEdit[]> = fc.array(jsonEdit, { minLength: 1, maxLength: 3 });

type Container = Record<string, unknown> | unknown[];

/** A JSON value with changes. */
export function editedJson(json: unknown, changes: readonly JsonEdit[]): unknown {
  const root = { json: structuredClone(json) };
  for (const { at, change } of changes) {
    const places: [container: Container, key: string][] = [];
    const walk = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const key of Object.keys(node)) {
        places.push([node as Container, key]);
        walk((node as Record<string, unknown>)[key]);
      }
    };
    walk(root);
    if (places.length === 0) break;
    const [container, key] = places[Math.floor(at * places.length)];
    const record = container as Record<string, unknown>;
    if (typeof change === 'object') record[key] = structuredClone(change.value);
    else {
      const value = record[key];
      if (Array.isArray(container)) container.splice(Number(key), 1);
      else delete record[key];
      if (change === 'rename' && !Array.isArray(container)) record[`${key}_`] = value;
    }
  }
  return root.json;
}

/** Damage to a safetensors file. */
export type Damage =
  | { readonly to: 'bytes' | 'header bytes' | 'values'; readonly edits: readonly Edit[] }
  | { readonly to: 'header' | 'meta'; readonly edits: readonly JsonEdit[] }
  | { readonly to: 'numbers'; readonly at: number; readonly value: number };

export const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ to: fc.constantFrom('bytes' as const, 'header bytes', 'values'), edits }),
  fc.record({ to: fc.constant('header' as const), edits: jsonEdits }),
  { weight: 3, arbitrary: fc.record({ to: fc.constant('meta' as const), edits: jsonEdits }) },
  fc.record({
    to: fc.constant('numbers' as const),
    at: part,
    value: fc.constantFrom(Number.NaN, Infinity, -Infinity, 3e38, 1e-40, 0, -1),
  }),
);

/** A safetensors file with damage; 'meta' is the JSON in its metadata, as checkpoints have it. */
export function damaged(file: Uint8Array, { to, ...how }: Damage): Uint8Array {
  if (to === 'bytes') return edited(file, (how as { edits: Edit[] }).edits);
  const start = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const [head, values] = [file.subarray(0, start), file.subarray(start)];
  if (to === 'header bytes') return joined(edited(head, (how as { edits: Edit[] }).edits), values);
  if (to === 'values') return joined(head, edited(values, (how as { edits: Edit[] }).edits));
  if (to === 'numbers') {
    const { at, value } = how as { at: number; value: number };
    const copy = joined(head, values);
    const place = start + 4 * Math.floor((at * values.length) / 4);
    if (place + 4 <= copy.length) new DataView(copy.buffer).setFloat32(place, value, true);
    return copy;
  }
  const changes = (how as { edits: JsonEdit[] }).edits;
  const header = JSON.parse(new TextDecoder().decode(head.subarray(8))) as { __metadata__?: { meta?: string } };
  if (to === 'header') return joined(withLength(JSON.stringify(editedJson(header, changes)) ?? ''), values);
  const meta: unknown = JSON.parse(header.__metadata__?.meta ?? '{}');
  const metadata = { ...header.__metadata__, meta: JSON.stringify(editedJson(meta, changes)) };
  return joined(withLength(JSON.stringify({ ...header, __metadata__: metadata })), values);
}

/** A checkpoint as versions without checksums wrote it, so that nothing but the checks of its parts sees damage. */
export function withoutChecksums(file: Uint8Array): Uint8Array {
  const start = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start))) as { __metadata__: object };
  const kept = Object.entries(header.__metadata__).filter(([name]) => !name.endsWith('Sha256'));
  const json = JSON.stringify({ ...header, __metadata__: Object.fromEntries(kept) });
  return joined(withLength(json), file.subarray(start));
}

function withLength(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return joined(length, text);
}
