/**
 * Images, datasets and checkpoints. Reading order: errors, file-kind, safetensors (values, half, json-keys,
 * safetensors-file, atomic-write), tensor-file (byte-source, zip, pickle, torch-file), checkpoint, weights, crc32, pixels, resize (windows, bicubic, limits), images, squares (plain-png), image-file, apng, grid (grid-size),
 * dataset, emoji, folder (left-out, folder-tree, folder-layout, hold-out, stream, decoding-thread), npz, data-files (samples, idx, cifar,
 * npz-pictures, tables, webdataset, parquet, parquet-file, parquet-pages), shard-writer, convert, inspect, picture-set, loader (epoch-order), tokens-file.
 *
 * Browsers get `browser.ts` in place of this file. sharp, a native module, loads with the first image file.
 *
 * @module
 */
export { type AnimationOptions, animatedPng } from './apng.ts';
export { mobilenetTrunkPath } from './assets.ts';
export { removeLeftovers, writeFileAtomic } from './atomic-write.ts';
export { type ByteSource, openBytes, readFileBytes } from './byte-source.ts';
export {
  type Checkpoint,
  type CheckpointContent,
  loadCheckpoint,
  loadCheckpointMeta,
  type Saveable,
  saveCheckpoint,
} from './checkpoint.ts';
export { type ConvertedImages, type ConvertOptions, convertImages } from './convert.ts';
export { crc32 } from './crc32.ts';
export { filesAt } from './data-files.ts';
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
export { type EmojiClasses, type EmojiIndex, type EmojiSetEntry, emojiHeldOut } from './emoji.ts';
export { loadEmoji } from './emoji-file.ts';
export { emojiLicenses, type License, mirroredEmoji } from './emoji-licenses.ts';
export { type FolderOptions, type ImageFolderOptions, loadImageFolder, openImageFolder } from './folder.ts';
export { imageGrid } from './grid.ts';
export { type GridOptions, type GridSize, gridSize } from './grid-size.ts';
export { cachedSnapshot, fetchFromHub, HubEntryError, type HubOptions, HubUnreachableError } from './hub.ts';
export { imageFormat, writeEncoded, writeImage, writePng } from './image-file.ts';
export { decodeImage, decodeSquare } from './images.ts';
export { type ImagesReport, inspectImages, type Range } from './inspect.ts';
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
export { LockedError, lockFolder, waitToLock } from './lock.ts';
export { type NpzArray, readNpz, writeNpz } from './npz.ts';
export { loadPictureSet, type PictureSet, type PictureSetOptions, writePictureNpz } from './picture-set.ts';
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
export {
  openSafetensors,
  readSafetensors,
  type TensorFile,
  writeSafetensors,
  writeSafetensorsBytes,
} from './safetensors-file.ts';
export { type ShardPicture, shardPictures, type WrittenShards, writeShards } from './shard-writer.ts';
export { decodeSquares } from './squares.ts';
export { openTensorFile, shardsOf, weightFileAt, weightFiles } from './tensor-file.ts';
export { readTokensFile, type TokensFile, type TokensMadeBy, tokenLine } from './tokens-file.ts';
export type { FileDType, RawData } from './values.ts';
export { type Precision, packWeights, precisions, unpackWeights, type Weight, type WeightGroups } from './weights.ts';
