/**
 * `titok-ts/data` in a browser: what needs no Node. Files come as bytes (`parseSafetensors`, `decodeImage`), the emoji over
 * HTTP (`loadEmoji`); the rest is as in `index.ts`.
 */

export { type AnimationOptions, animatedPng } from './apng.ts';
export { crc32 } from './crc32.ts';
export {
  classCounts,
  type Dataset,
  type ImageDataset,
  type ImageList,
  type ImageReader,
  type ImageSet,
  type ImageStream,
  imageSet,
  isHeldOut,
  isStream,
  type LabeledImage,
} from './dataset.ts';
export type { EmojiClasses } from './emoji.ts';
export { loadEmoji } from './emoji-browser.ts';
export { type GridOptions, type GridSize, gridSize } from './grid-size.ts';
export { decodeImage } from './images-browser.ts';
export { describeLeftOut, type LeftOut } from './left-out.ts';
export {
  type Batch,
  type Batches,
  type BatchOptions,
  type BatchState,
  batches,
  batchOf,
  inOrder,
  pixelBatches,
  type View,
  viewBatches,
} from './loader.ts';
export {
  fromPlanes,
  type RgbImage,
  toImages,
  toPlanes,
  toUint8ForMetrics,
  toUint8Truncated,
  toUnit,
} from './pixels.ts';
export {
  centerCrop,
  crop,
  flip,
  planSquare,
  randomCrop,
  resizeBicubic,
  resizeShorterEdge,
  resizeToSquare,
  type SquarePlan,
} from './resize.ts';
export {
  type ListedTensor,
  parseSafetensors,
  type RawTensor,
  type SafetensorsContent,
  serializeSafetensors,
  type TensorEntry,
  type WritableTensor,
} from './safetensors.ts';
export type { FileDType, RawData } from './values.ts';
export { type Precision, packWeights, precisions, unpackWeights, type Weight, type WeightGroups } from './weights.ts';
