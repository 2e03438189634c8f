/**
 * The `reference` device: runs each op's gpu.js source as plain JavaScript in float64. Slow and obvious; tests compare
 * every other device with it.
 */
import type { Device, KernelCall } from './device.ts';
import { registerDevice } from './devices.ts';
import { DeviceError } from './errors.ts';
import { runPasses } from './passes.ts';
import { numel } from './shape.ts';

export class ReferenceDevice implements Device {
  readonly name = 'reference';
  readonly synchronous = true;
  readonly threads = 1;

  upload(values: ArrayLike<number>): Float64Array {
    return Float64Array.from(values);
  }
  run(call: KernelCall): Float64Array {
    const y = new Float64Array(numel(call.shape));
    runPasses(call, y, (tensor) => tensor.handle as Float64Array);
    return y;
  }
  read(handle: unknown, length: number): Float64Array {
    const values = handle as Float64Array;
    if (values.length !== length) throw new DeviceError(`reference: expected ${length} values, got ${values.length}.`);
    return values.slice();
  }
  free(): void {}
  async sync(): Promise<void> {}
  async close(): Promise<void> {}
}

registerDevice('reference', () => new ReferenceDevice());
