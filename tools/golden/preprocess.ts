/** preprocess: resizing and cropping of 8-bit images, and rounding back to 8 bits. */
import {
  centerCrop,
  type RgbImage,
  resizeShorterEdge,
  toPlanes,
  toUint8ForMetrics,
  toUint8Truncated,
  toUnit,
} from '../../data/browser.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';

export async function preprocess(file: GoldenFile, check: Comparison): Promise<void> {
  for (const [name, { size }] of Object.entries(file.metadata<Record<string, { size: number }>>('cases'))) {
    const [height, width] = file.shape(`${name}/in/image_hwc`) as [number, number, number];
    const image: RgbImage = { width, height, data: Uint8Array.from(file.values(`${name}/in/image_hwc`)) };
    const resized = resizeShorterEdge(image, size);
    await check.check(`${name}/out/resized_hwc`, resized.data);
    await check.check(`${name}/out/center_crop_chw`, toUnit(toPlanes(centerCrop(resized, size))));
    const reconstruction = file.values(`${name}/in/reconstruction`);
    await check.check(`${name}/out/reconstruction_uint8_truncated`, toUint8Truncated(reconstruction));
    await check.check(`${name}/out/eval_quantised_uint8`, toUint8ForMetrics(reconstruction)); // the file's spelling
  }
}
