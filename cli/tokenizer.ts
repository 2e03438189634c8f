/** The tokenizer and the images that commands work on. */
import type { Command } from 'commander';
import { type Tensor, tensor } from '../core/index.ts';
import { centerCrop, decodeImage, resizeShorterEdge, toPlanes, toUnit } from '../data/index.ts';
import type { TiTok } from '../titok/index.ts';
import { loadPixelTokenizer, loadTokenizerFile, runFolder } from '../train/index.ts';
import { addDeviceOptions, type DeviceGiven, openGiven } from './device.ts';

export function addModelOptions(command: Command): Command {
  return addDeviceOptions(command, 'highest')
    .option('--name <name>', 'run whose models are used', 'quickstart')
    .option('--checkpoint <file>', 'a checkpoint instead of a run; published weights need --preset')
    .option('--preset <name>', 'sizes of the published weights: s128, b64, l32, …');
}

export interface ModelOptions extends DeviceGiven {
  readonly name: string;
  readonly checkpoint?: string;
  readonly preset?: string;
}

export async function openTokenizer({
  name,
  checkpoint,
  preset,
  ...given
}: ModelOptions): Promise<{ model: TiTok; folder: string }> {
  await openGiven(given);
  const folder = runFolder(name);
  return { folder, model: checkpoint ? loadTokenizerFile(checkpoint, preset) : loadPixelTokenizer(folder) };
}

/** Files as [n, 3, size, size] in 0..1: shorter edge to `size` (antialiased bicubic), center square. */
export async function openImages(paths: readonly string[], size: number): Promise<Tensor> {
  const values = new Float32Array(paths.length * 3 * size * size);
  for (const [i, path] of paths.entries()) {
    const square = centerCrop(resizeShorterEdge(await decodeImage(path), size), size);
    values.set(toUnit(toPlanes(square)), i * 3 * size * size);
  }
  return tensor(values, [paths.length, 3, size, size]);
}
