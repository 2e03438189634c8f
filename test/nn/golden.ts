/** Reading golden files and comparing with them. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { type Tensor, tensor } from '../../core/index.ts';
import { type RawTensor, readSafetensors } from '../../data/index.ts';

/** A golden file of test/golden. */
export class Golden {
  readonly tensors: Readonly<Record<string, RawTensor>>;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(name: string) {
    const { tensors, metadata } = readSafetensors(
      fileURLToPath(new URL(`../golden/${name}.safetensors`, import.meta.url)),
    );
    this.tensors = tensors;
    this.metadata = metadata;
  }

  get(key: string): RawTensor {
    const found = this.tensors[key];
    assert.ok(found, `golden file has no '${key}'`);
    return found;
  }
  tensor(key: string): Tensor {
    const { data, shape } = this.get(key);
    return tensor(data, shape);
  }
  scalar(key: string): number {
    return this.get(key).data[0];
  }
  /** Entries under a prefix, which is taken off. */
  under(prefix: string): Record<string, RawTensor> {
    const inside = Object.entries(this.tensors).filter(([key]) => key.startsWith(prefix));
    return Object.fromEntries(inside.map(([key, t]) => [key.slice(prefix.length), t]));
  }
  json<T>(key: string): T {
    return JSON.parse(this.metadata[key]) as T;
  }
}

/** Asserts that values agree to `tolerance` of the largest expected magnitude. */
export function close(got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 1e-5, what = 'values'): void {
  assert.equal(got.length, want.length, `${what}: ${got.length} values, expected ${want.length}`);
  const largest = Array.from(want).reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i] - want[i]) / largest;
    assert.ok(error <= tolerance, `${what}: value ${i} is ${got[i]}, expected ${want[i]} (${error} of the largest)`);
  }
}
