/** Opening devices and choosing the default one. */
import { CpuDevice } from './cpu/device.ts';
import type { Device, MatmulPrecision } from './device.ts';
import { DeviceError } from './errors.ts';
import { ReferenceDevice } from './reference.ts';

export interface DeviceOptions {
  /** Threads of the cpu device; default: the machine's cores. */
  threads?: number;
  /** Of the cpu device; default: 'highest'. */
  matmulPrecision?: MatmulPrecision;
}

const openers: Record<string, (options: DeviceOptions) => Device | Promise<Device>> = {
  cpu: (options) => new CpuDevice(options),
  reference: () => new ReferenceDevice(),
  auto: openFastest,
  ...Object.fromEntries(
    ['webgpu', 'webgl2', 'webgl', 'headlessgl', 'webasm', 'gpujs-cpu'].map((name) => [name, () => openWithGpuJs(name)]),
  ),
};
/** The fastest device of this machine; which one, and why, goes to the log. */
async function openFastest(options: DeviceOptions): Promise<Device> {
  const { device, why } = await (await import('./gpu/auto.ts')).pickDevice((name) => openDevice(name, options));
  console.error(why);
  return device;
}
/** gpu.js is large, so it is loaded when a device asks for it. */
const openWithGpuJs = async (name: string): Promise<Device> => (await import('./gpu/device.ts')).openGpuJs(name);

/** Names that `openDevice` knows. */
export const deviceNames = (): string[] => Object.keys(openers);

const opened = new Map<string, Promise<Device>>();
const keyOf = (name: string, { threads, matmulPrecision = 'highest' }: DeviceOptions): string =>
  `${name} ${threads ?? ''} ${matmulPrecision}`;
let current: Device | undefined;

/** The device with this name, opened once and again after it was closed or lost. @throws DeviceError when it is not there */
export async function openDevice(name: string, options: DeviceOptions = {}): Promise<Device> {
  const key = keyOf(name, options);
  const found = opened.get(key);
  if (found && (await found).usable !== false) return found;
  const open = openers[name];
  if (!open) throw new DeviceError(`openDevice: expected one of ${deviceNames().join(', ')}, got '${name}'.`);
  const opening = Promise.resolve(open(options));
  opened.set(key, opening);
  opening.catch(() => opened.delete(key));
  return opening;
}

/** Where new tensors go: `cpu` unless `setDefaultDevice` was called. */
export function defaultDevice(): Device {
  if (!current) {
    current = new CpuDevice({});
    opened.set(keyOf('cpu', {}), Promise.resolve(current));
  }
  return current;
}
export function setDefaultDevice(device: Device): void {
  current = device;
}
