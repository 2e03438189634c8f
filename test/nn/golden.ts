/** Reading golden files and comparing with them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type Shape, type Tensor, tensor } from '../../core/index.ts';

export interface GoldenTensor {
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/** A golden file of test/golden. */
export class Golden {
  readonly tensors: Readonly<Record<string, GoldenTensor>>;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(name: string) {
    const bytes = readFileSync(new URL(`../golden/${name}.safetensors`, import.meta.url));
    const length = Number(bytes.readBigUInt64LE(0));
    const { __metadata__, ...entries } = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    this.metadata = __metadata__;
    this.tensors = Object.fromEntries(
      Object.entries(entries as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>).map(
        ([
          key,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => {
          const raw = new Uint8Array(bytes.subarray(8 + length + from, 8 + length + to)).buffer;
          const data = dtype === 'I64' ? Int32Array.from(new BigInt64Array(raw), Number) : new Float32Array(raw);
          return [key, { shape, data }];
        },
      ),
    );
  }

  get(key: string): GoldenTensor {
    const found = this.tensors[key];
    assert.ok(found, `golden file has no '${key}'`);
    return found;
  }
  tensor(key: string): Tensor {
    const { data, shape } = this.get(key);
    return tensor(data, shape);
  }
  scalar(key: string): number {
    return this.get(key).data[0]!;
  }
  /** Entries under a prefix, which is taken off. */
  under(prefix: string): Record<string, GoldenTensor> {
    const inside = Object.entries(this.tensors).filter(([key]) => key.startsWith(prefix));
    return Object.fromEntries(inside.map(([key, t]) => [key.slice(prefix.length), t]));
  }
  json<T>(key: string): T {
    return JSON.parse(this.metadata[key]!) as T;
  }
}

/** Asserts that values agree to `tolerance` of the largest expected magnitude. */
export function close(got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 1e-5, what = 'values'): void {
  assert.equal(got.length, want.length, `${what}: ${got.length} values, expected ${want.length}`);
  const largest = Array.from(want).reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i]! - want[i]!) / largest;
    assert.ok(error <= tolerance, `${what}: value ${i} is ${got[i]}, expected ${want[i]} (${error} of the largest)`);
  }
}
