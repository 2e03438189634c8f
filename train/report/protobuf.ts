/** The part of Protocol Buffers' wire format that event files need. A field is its number and wire type, then its value. */

/** Fields one after the other. */
export const encodeMessage = (...fields: readonly Uint8Array[]): Uint8Array => Buffer.concat(fields);

/** A message within a message. */
export const message = (field: number, ...fields: readonly Uint8Array[]): Uint8Array =>
  bytes(field, encodeMessage(...fields));

export const bytes = (field: number, value: Uint8Array): Uint8Array =>
  Buffer.concat([key(field, wire.bytes), varint(value.length), value]);

export const text = (field: number, value: string): Uint8Array => bytes(field, Buffer.from(value, 'utf8'));

/** A whole number ≥ 0 as int32, int64 or enum. */
export const int = (field: number, value: number): Uint8Array =>
  Buffer.concat([key(field, wire.varint), varint(value)]);

export function double(field: number, value: number): Uint8Array {
  const data = Buffer.alloc(8);
  data.writeDoubleLE(value);
  return Buffer.concat([key(field, wire.eightBytes), data]);
}

export function float(field: number, value: number): Uint8Array {
  const data = Buffer.alloc(4);
  data.writeFloatLE(value);
  return Buffer.concat([key(field, wire.fourBytes), data]);
}

const wire = { varint: 0, eightBytes: 1, bytes: 2, fourBytes: 5 } as const;

const key = (field: number, type: number): Uint8Array => varint(field * 8 + type);

/** Seven bits a byte, the lowest first; the top bit says that more follow. */
function varint(value: number): Uint8Array {
  const digits: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) digits.push((value % 128) + 128);
  return Uint8Array.from([...digits, value]);
}
