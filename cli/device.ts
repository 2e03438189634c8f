/** The options that say what a command runs on. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import {
  type Device,
  deviceNames,
  type MatmulPrecision,
  matmulPrecisions,
  mostThreads,
  openDevice,
  setDefaultDevice,
} from '../core/index.ts';
import { count, group, oneOf } from '../train/index.ts';
import { addSettings, byDefault, type Given, readSettings } from './options.ts';

/** Meta tensors have no values, so nothing could be trained or printed. */
const names = deviceNames().filter((name) => name !== 'meta');

const deviceSettings = (precision: MatmulPrecision) =>
  group({
    device: oneOf(names, 'cpu', 'what to run on'),
    threads: count(availableParallelism(), 'of the cpu device', { most: mostThreads() }),
    matmulPrecision: oneOf(
      matmulPrecisions,
      precision,
      'of the cpu device: highest (float32), or high (16 bits, on x86 1.5 × as fast)',
    ),
  });

/**
 * @param precision  default for matrix products. Trainings and samples lose nothing in 16 bits; printed token ids should be
 *                   the same on every machine
 */
export const addDeviceOptions = (command: Command, precision: MatmulPrecision): Command =>
  addSettings(command, deviceSettings(precision), byDefault);

/** Opens the device that the options name and makes it the default. */
export async function openGivenDevice(given: Given, precision: MatmulPrecision): Promise<Device> {
  const { device, ...options } = readSettings(deviceSettings(precision), {}, given);
  const opened = await openDevice(device, options);
  await opened.sync(); // with all its threads from the first op on, as rounding depends on them
  setDefaultDevice(opened);
  return opened;
}

/** "device cpu, 2 threads, matmul precision high" */
export const describeDevice = ({ name, threads, matmulPrecision }: Device): string =>
  `device ${name}, ${threads} thread${threads === 1 ? '' : 's'}${matmulPrecision ? `, matmul precision ${matmulPrecision}` : ''}`;
