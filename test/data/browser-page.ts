/** What the page of browser.test.ts runs. */
import { decodeImage, type ImageDataset, loadEmoji } from '../../data/browser.ts';

/** SHA-256 of everything in the dataset, as in emoji.test.ts. */
async function emojiSha256(size: number, folder: string): Promise<string> {
  const { train, validation }: ImageDataset = await loadEmoji(size, folder);
  const parts = [train, validation].flatMap(({ images, labels, names }) => [
    images,
    new Uint8Array(labels.buffer),
    new TextEncoder().encode(JSON.stringify(names)),
  ]);
  const hash = await crypto.subtle.digest('SHA-256', await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function decode(bytes: readonly number[]): Promise<{ width: number; height: number; data: number[] }> {
  const { width, height, data } = await decodeImage(Uint8Array.from(bytes));
  return { width, height, data: [...data] };
}

export const api = { emojiSha256, decode };
Object.assign(globalThis, api);
