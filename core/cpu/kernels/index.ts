/** All kernels and routines of the cpu device. A new file of kernels is added to this list. */
import type { Kernel } from '../kernel.ts';
import type { KernelFile, Routine } from '../routine.ts';
import * as attention from './attention.ts';
import * as conv from './conv.ts';
import * as convGradInput from './conv-grad-input.ts';
import * as convProducts from './conv-products.ts';
import * as copyKernels from './copy-kernels.ts';
import * as depthwise from './depthwise.ts';
import * as frames from './frames.ts';
import * as groupNorm from './group-norm.ts';
import * as indexing from './indexing.ts';
import * as int16 from './int16.ts';
import * as layerNorm from './layer-norm.ts';
import * as loss from './loss.ts';
import * as matmul from './matmul.ts';
import * as moments from './moments.ts';
import * as movement from './movement.ts';
import * as nearest from './nearest.ts';
import * as parts from './parts.ts';
import * as reduce from './reduce.ts';
import * as reduceKernels from './reduce-kernels.ts';
import * as resample from './resample.ts';
import * as rounding from './rounding.ts';
import * as softmax from './softmax.ts';
import * as sort from './sort.ts';
import * as winogradKernels from './winograd-kernels.ts';
import * as winogradWeights from './winograd-weights.ts';

const files: readonly KernelFile[] = [
  attention,
  conv,
  convGradInput,
  convProducts,
  copyKernels,
  depthwise,
  frames,
  groupNorm,
  indexing,
  int16,
  layerNorm,
  loss,
  matmul,
  moments,
  movement,
  nearest,
  parts,
  reduce,
  reduceKernels,
  resample,
  rounding,
  softmax,
  sort,
  winogradKernels,
  winogradWeights,
];

export const kernels: readonly Kernel[] = files.flatMap((file) => file.kernels ?? []);
/** By name of the op. */
export const routines: Readonly<Record<string, Routine>> = Object.assign({}, ...files.map((file) => file.routines));
