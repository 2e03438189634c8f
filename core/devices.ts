/** Devices by name. Each registers itself; it is opened when it is first asked for. */
import type { Device, MatmulPrecision } from './device.ts';
import { DeviceError, expectKnown, kindOf } from './errors.ts';

/** Options of `openDevice`. */
export interface DeviceOptions {
  /** Threads of the cpu device. Default: one per core. */
  threads?: number;
  /** Precision of matrix products on the cpu device. Default: 'highest'. */
  matmulPrecision?: MatmulPrecision;
}
/** Opens a device. @throws DeviceError when the machine lacks it */
export type OpenDevice = (options: DeviceOptions) => Device | Promise<Device>;

const openers = new Map<string, OpenDevice>();
const opened = new Map<string, Device | Promise<Device>>();
let current: Device | undefined; // of setDefaultDevice or withDevice
let cpu: Device | undefined; // where nobody chose one

/**
 * Makes a device known by name: `openDevice(name)` then calls `open`, once for each set of options and again after the
 * device was closed or lost.
 *
 * @throws DeviceError when the name is taken
 */
export function registerDevice(name: string, open: OpenDevice): void {
  if (openers.has(name)) throw new DeviceError(`registerDevice: expected a new name, got '${name}', which is taken.`);
  openers.set(name, open);
}

/** Names that `openDevice` knows. Whether the machine has such a device is known when it is opened. */
export const deviceNames = (): string[] => [...openers.keys()];

/**
 * The device with this name: `cpu`, `webgpu`, `reference` …, or `auto` for the fastest. The same options give the same
 * device, until it is closed or lost.
 *
 * @throws DeviceError when no device has that name, or the machine lacks it; OptionError for an unknown option
 */
export const openDevice = async (name: string, options: DeviceOptions = {}): Promise<Device> => find(name, options);

/** The device that new tensors go to: `cpu`, opened when it is first needed or was closed, or that of `setDefaultDevice`. */
export function defaultDevice(): Device {
  if (current) return current;
  if (!cpu || cpu.usable === false) cpu = find('cpu', {}) as Device; // opens at once
  return cpu;
}

/** Sends new tensors to this device from now on. @throws DeviceError when it is none */
export function setDefaultDevice(device: Device): void {
  expectDevice('setDefaultDevice', device);
  current = device;
}

/**
 * Runs f with another default device.
 *
 * @param f  returns at once; asynchronous code would outlast the change
 */
export function withDevice<T>(device: Device, f: () => T): T {
  expectDevice('withDevice', device);
  const before = current;
  current = device;
  try {
    const result = f();
    if (result instanceof Promise) {
      throw new DeviceError('withDevice: expected a synchronous function, got a promise. Use setDefaultDevice.');
    }
    return result;
  } finally {
    current = before;
  }
}

/** @throws DeviceError for a device's name, or for a device that still opens */
export function expectDevice(where: string, device: Device): void {
  if (typeof (device as Partial<Device> | undefined)?.run === 'function') return;
  throw new DeviceError(`${where}: expected a device, got ${kindOf(device)}. Get one with await openDevice(name).`);
}

function find(name: string, options: DeviceOptions): Device | Promise<Device> {
  expectKnown('openDevice', options, ['threads', 'matmulPrecision']);
  const { threads = '', matmulPrecision = 'highest' } = options;
  const key = `${name} ${threads} ${matmulPrecision}`;
  const found = opened.get(key);
  if (found && (found instanceof Promise || found.usable !== false)) return found;
  const open = openers.get(name);
  if (!open) throw new DeviceError(`openDevice: expected one of ${deviceNames().join(', ')}, got '${name}'.`);
  const opening = open(options);
  opened.set(key, opening);
  if (opening instanceof Promise) {
    opening.then(
      (device) => opened.set(key, device),
      () => opened.delete(key),
    );
  }
  return opening;
}
