/**
 * The `meta` device: tensors that have a shape and no values, as in PyTorch. A model made on it takes no memory and no
 * time, and its ops check and compute shapes as on any other device.
 */
import type { Device } from './device.ts';
import { registerDevice } from './devices.ts';
import { DeviceError } from './errors.ts';

/** Knows shapes only: `withDevice(metaDevice, () => new TiTok(presets.l32, rng))`. Reading throws a DeviceError. */
export const metaDevice: Device = {
  name: 'meta',
  synchronous: false,
  threads: 1,
  shapesOnly: true,
  upload: () => null,
  run: () => null,
  read: () => {
    throw new DeviceError(
      'meta: expected a device that stores values, got a tensor on meta, which has only a shape. Make it on cpu to read it.',
    );
  },
  free: () => {},
  sync: async () => {},
  close: async () => {},
};
registerDevice('meta', () => metaDevice);
