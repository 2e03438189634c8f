/** Registers the `cpu` device: WebAssembly SIMD on all cores. */
import { registerDevice } from '../devices.ts';
import { CpuDevice } from './device.ts';

registerDevice('cpu', (options) => new CpuDevice(options));
