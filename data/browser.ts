/**
 * The part of this folder that needs no Node: `titok-ts/data` in a browser. Files come as bytes (`parseSafetensors`),
 * pictures as pixels (`RgbImage`).
 */
export { classCounts, type ImageDataset, type ImageSet, imageSet, isHeldOut, type LabeledImage } from './dataset.ts';

export * from './loader.ts';
export * from './pixels.ts';
export * from './resize.ts';
export {
  parseSafetensors,
  type RawTensor,
  type SafetensorsContent,
  serializeSafetensors,
  type TensorEntry,
  type WritableTensor,
} from './safetensors.ts';
export type { FileDType, RawData } from './values.ts';
