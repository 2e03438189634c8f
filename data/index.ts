/**
 * What comes from outside. Reading order: errors, safetensors (values, json-keys, safetensors-file, atomic-write),
 * checkpoint, pixels, resize, images, grid, dataset, emoji, folder, loader.
 *
 * What also runs in a browser has its own door, `browser.ts`; the rest needs Node's file system.
 */
export { mobilenetTrunkPath } from './assets.ts';
export { writeFileAtomic } from './atomic-write.ts';
export * from './browser.ts';
export * from './checkpoint.ts';
export { conceptOf, type EmojiOptions, loadEmoji } from './emoji.ts';
export { emojiClasses } from './emoji-icons.ts';
export * from './folder.ts';
export * from './grid.ts';
export * from './images.ts';
export * from './safetensors-file.ts';
