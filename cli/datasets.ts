/** The dataset that --data names. */
import { type ImageDataset, loadEmoji, loadImageFolder } from '../data/index.ts';

/** 'emoji', or the path of a folder of class folders; images come at `size` × `size` pixels. */
export async function openDataset(data: string, size: number): Promise<ImageDataset> {
  if (data !== 'emoji') return loadImageFolder(data, size);
  let shown = 0;
  return loadEmoji(size, {
    onProgress: (drawn, total) => {
      if (drawn < total && drawn - shown < total / 10) return;
      shown = drawn;
      console.log(`drawing emoji: ${drawn} of ${total}`);
    },
  });
}
