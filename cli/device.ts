/** The options that say what a command runs on. */
import type { Command } from 'commander';
import { type Device, type MatmulPrecision, matmulPrecisions, openDevice, setDefaultDevice } from '../core/index.ts';
import { choice, count } from './values.ts';

export interface DeviceGiven {
  readonly device: string;
  readonly threads?: string;
  readonly matmulPrecision: string;
}

/**
 * @param precision  default for matrix products. Trainings and samples lose nothing in 16 bits; printed token ids should be
 *                   the same on every machine
 */
export const addDeviceOptions = (command: Command, precision: MatmulPrecision): Command =>
  command
    .option('--device <name>', 'what to run on', 'cpu')
    .option('--threads <number>', 'of the cpu device; default all cores')
    .option(
      '--matmul-precision <name>',
      'of the cpu device: highest (float32), or high (16 bits, on x86 1.5 × as fast)',
      precision,
    );

/** Opens the device that the options name and makes it the default. */
export async function openGivenDevice({ device, threads, matmulPrecision }: DeviceGiven): Promise<Device> {
  const opened = await openDevice(device, {
    ...(threads !== undefined && { threads: count('--threads', threads, 1) }),
    matmulPrecision: choice('--matmul-precision', matmulPrecision, matmulPrecisions) as MatmulPrecision,
  });
  await opened.sync(); // with all its threads from the first op on, as rounding depends on them
  setDefaultDevice(opened);
  return opened;
}

/** "device cpu, 2 threads, matmul precision high" */
export const describeDevice = ({ name, threads, matmulPrecision }: Device): string =>
  `device ${name}, ${threads} thread${threads === 1 ? '' : 's'}${matmulPrecision ? `, matmul precision ${matmulPrecision}` : ''}`;
