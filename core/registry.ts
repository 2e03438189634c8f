/** Opening devices and choosing the default one. */
import { CpuDevice } from './cpu/device.ts';
import { type Device, DeviceError } from './device.ts';
import { ReferenceDevice } from './reference.ts';

export interface DeviceOptions {
  /** Threads of the cpu device; default: the machine's cores. */
  threads?: number;
}

const openers: Record<string, (options: DeviceOptions) => Device | Promise<Device>> = {
  cpu: (options) => new CpuDevice(options),
  reference: () => new ReferenceDevice(),
};
/** Names that `openDevice` knows. */
export const deviceNames = (): string[] => Object.keys(openers);

const opened = new Map<string, Device | Promise<Device>>();
let current: Device | undefined;

/** The device with this name, opened once per process. @throws DeviceError when it is not there */
export async function openDevice(name: string, options: DeviceOptions = {}): Promise<Device> {
  const key = `${name} ${options.threads ?? ''}`;
  const found = opened.get(key);
  if (found) return found;
  const open = openers[name];
  if (!open) throw new DeviceError(`openDevice: expected one of ${deviceNames().join(', ')}, got '${name}'.`);
  const device = await open(options);
  opened.set(key, device);
  return device;
}

/** Where new tensors go: `cpu` unless `setDefaultDevice` was called. */
export function defaultDevice(): Device {
  if (!current) {
    current = new CpuDevice({});
    opened.set('cpu ', current);
  }
  return current;
}
export function setDefaultDevice(device: Device): void {
  current = device;
}
