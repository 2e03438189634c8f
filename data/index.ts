/**
 * What comes from outside. Reading order: errors, safetensors (values, json-keys, safetensors-file, atomic-write),
 * checkpoint, resize, images, grid, dataset, emoji, folder, loader.
 *
 * In the browser import `safetensors.ts`, `resize.ts` and `dataset.ts` directly: this index brings Node's file system.
 */
export { mobilenetTrunkPath } from './assets.ts';
export { writeFileAtomic } from './atomic-write.ts';
export * from './checkpoint.ts';
export { classCounts, type ImageDataset, type ImageSet, imageSet, isHeldOut, type LabelledImage } from './dataset.ts';
export { conceptOf, type EmojiOptions, loadEmoji } from './emoji.ts';
export { emojiClasses } from './emoji-icons.ts';
export { CheckpointError, DataError } from './errors.ts';
export * from './folder.ts';
export * from './grid.ts';
export * from './images.ts';
export * from './loader.ts';
export * from './resize.ts';
export {
  parseSafetensors,
  type RawTensor,
  type SafetensorsContent,
  serializeSafetensors,
  type TensorEntry,
  type WritableTensor,
} from './safetensors.ts';
export * from './safetensors-file.ts';
export type { FileDType, RawData } from './values.ts';
