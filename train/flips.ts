/** Which classes may be mirrored. */
import type { ImageDataset } from '../data/browser.ts';

/** Symbols hold letters, which a mirror would spoil. */
export const flippable =
  (dataset: Pick<ImageDataset, 'classes'>) =>
  (label: number): boolean =>
    dataset.classes[label] !== 'Symbols';
