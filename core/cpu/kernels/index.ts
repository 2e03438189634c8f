/** All hand-written kernels of the cpu device. A new file of kernels is added here, after those whose functions it calls. */
import type { KernelFile } from '../routine.ts';
import * as attention from './attention.ts';
import * as conv from './conv.ts';
import * as gemm from './gemm.ts';
import * as groupNorm from './group-norm.ts';
import * as indexing from './indexing.ts';
import * as int16 from './int16.ts';
import * as loss from './loss.ts';
import * as matmul from './matmul.ts';
import * as movement from './movement.ts';
import * as nearest from './nearest.ts';
import * as norm from './norm.ts';
import * as parts from './parts.ts';
import * as reduce from './reduce.ts';
import * as resample from './resample.ts';
import * as rounding from './rounding.ts';
import * as softmax from './softmax.ts';
import * as strassen from './strassen.ts';
import * as winograd from './winograd.ts';
import * as winogradTransforms from './winograd-transforms.ts';

export const kernelFiles: readonly KernelFile[] = [
  gemm,
  strassen,
  rounding,
  int16,
  matmul,
  parts,
  softmax,
  loss,
  norm,
  groupNorm,
  attention,
  nearest,
  winogradTransforms,
  winograd,
  conv,
  movement,
  reduce,
  indexing,
  resample,
];
