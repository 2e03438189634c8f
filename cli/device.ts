/** The options that say what a command runs on. */
import type { Command } from 'commander';
import { type Device, type MatmulPrecision, matmulPrecisions } from '../core/index.ts';
import { useDevice } from '../train/index.ts';
import { choice, count } from './values.ts';

export interface DeviceGiven {
  readonly device: string;
  readonly threads?: string;
  readonly matmulPrecision: string;
}

/**
 * @param precision  of matrix products unless another is given. Trainings and samples lose nothing in 16 bits; ids that are
 *                   printed should be the same on every machine
 */
export const addDeviceOptions = (command: Command, precision: MatmulPrecision): Command =>
  command
    .option('--device <name>', 'what to run on', 'cpu')
    .option('--threads <number>', 'of the cpu device; all cores unless given')
    .option(
      '--matmul-precision <name>',
      'of the cpu device: highest (float32), or high (16 bits, on x86 1.5 × as fast)',
      precision,
    );

/** The device that was asked for; everything then runs on it. */
export const openGiven = ({ device, threads, matmulPrecision }: DeviceGiven): Promise<Device> =>
  useDevice(device, {
    ...(threads !== undefined && { threads: count('--threads', threads, 1) }),
    matmulPrecision: choice('--matmul-precision', matmulPrecision, matmulPrecisions) as MatmulPrecision,
  });

/** "device cpu, 2 threads, matmul precision high" */
export const describeDevice = ({ name, threads, matmulPrecision }: Device): string =>
  `device ${name}, ${threads} thread${threads === 1 ? '' : 's'}${matmulPrecision ? `, matmul precision ${matmulPrecision}` : ''}`;
