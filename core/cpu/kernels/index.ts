/** All hand-written kernels of the cpu device. A new file of kernels is added here. */
import type { KernelFile } from '../routine.ts';
import * as movement from './movement.ts';

export const kernelFiles: readonly KernelFile[] = [movement];
