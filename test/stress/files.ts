/** Damaged files, read directly: a value, or an error of the library's own; nothing else, and soon. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { openDevice } from '../../core/index.ts';
import {
  centerCrop,
  decodeImage,
  loadCheckpoint,
  parseSafetensors,
  type RgbImage,
  resizeShorterEdge,
  serializeSafetensors,
} from '../../data/index.ts';
import { runGolden } from '../../tools/golden/index.ts';
import { type StageName, stageNames } from '../../train/index.ts';
import { defineKind, expect } from './kind.ts';
import { type Damage, damage, damaged, type Edit, edited, edits, withoutChecksums } from './mutate.ts';
import { checkpoint } from './workshop.ts';

/** 'read', or 'refused' for an error of ours. @throws what else was thrown */
export async function readOrRefused(names: readonly string[], read: () => unknown): Promise<string> {
  try {
    await read();
    return 'read';
  } catch (error) {
    if (error instanceof Error && names.includes(error.name)) return 'refused';
    throw error instanceof Error ? new Error(`expected ${names.join(' or ')}, got ${error.stack}`) : error;
  }
}

const fewTensors = Buffer.concat(
  serializeSafetensors(
    {
      a: { shape: [2, 3], data: Float32Array.from([1, 2, 3, 4, 5, 6]) },
      b: { shape: [4], data: Int32Array.from([1, 2, 3, 4]), dtype: 'I64' },
      c: { shape: [0], data: new Float32Array() },
      d: { shape: [], data: Uint8Array.from([1]) },
    },
    { meta: '{"a":[1,{"b":2}]}' },
  ),
);

export const tensors = defineKind({
  name: 'safetensors',
  about: 'damaged tensor files',
  share: 4,
  trials: 300,
  trial: fc.record({ damage, stage: fc.option(fc.constantFrom(...stageNames), { freq: 20 }) }),
  run: ({ damage, stage }) =>
    readOrRefused(['CheckpointError'], () =>
      parseSafetensors(damaged(stage ? readFileSync(checkpoint('whole', stage)) : fewTensors, damage)),
    ),
});

/** Damage to the checkpoint of a stage, with checksums or as earlier versions wrote it. */
interface CheckpointDamage {
  readonly stage: StageName;
  readonly damage: Damage;
  readonly checksums: boolean;
}
export const checkpointDamage: fc.Arbitrary<CheckpointDamage> = fc.record({
  stage: fc.constantFrom(...stageNames),
  damage,
  checksums: fc.boolean(),
});
export function damagedCheckpoint({ stage, damage, checksums }: CheckpointDamage): Uint8Array {
  const bytes = readFileSync(checkpoint('whole', stage));
  return damaged(checksums ? bytes : withoutChecksums(bytes), damage);
}

export const checkpointFiles = defineKind({
  name: 'load',
  about: 'damaged checkpoints, loaded',
  share: 2,
  trials: 20,
  trial: checkpointDamage,
  async run({ damage, checksums, stage }) {
    const path = checkpoint('damaged', stage);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, damagedCheckpoint({ damage, checksums, stage }));
    return readOrRefused(['CheckpointError'], () => loadCheckpoint(path));
  },
});

// ---- pictures -----------------------------------------------------------------------------------------------------

const formats = {
  png: (s: sharp.Sharp) => s.png(),
  'png palette': (s: sharp.Sharp) => s.png({ palette: true }),
  'png 16 bits': (s: sharp.Sharp) => s.toColourspace('rgb16').png(),
  'png gray, alpha': (s: sharp.Sharp) => s.ensureAlpha(0.5).grayscale().png(),
  'png interlaced': (s: sharp.Sharp) => s.png({ progressive: true }),
  jpeg: (s: sharp.Sharp) => s.jpeg(),
  'jpeg progressive': (s: sharp.Sharp) => s.withMetadata({ orientation: 6 }).jpeg({ progressive: true }),
  'jpeg cmyk': (s: sharp.Sharp) => s.toColourspace('cmyk').jpeg(),
  webp: (s: sharp.Sharp) => s.webp(),
  'webp lossless': (s: sharp.Sharp) => s.webp({ lossless: true }),
  gif: (s: sharp.Sharp) => s.gif(),
  avif: (s: sharp.Sharp) => s.avif({ effort: 0 }),
  tiff: (s: sharp.Sharp) => s.tiff(),
} as const;
export type Format = keyof typeof formats;
export const formatNames = Object.keys(formats) as Format[];

const encoded = new Map<Format, Promise<Uint8Array>>();
/** A picture of 40 × 28 pixels in a format. */
export function pictureIn(format: Format): Promise<Uint8Array> {
  const data = Uint8Array.from({ length: 40 * 28 * 3 }, (_, i) => (i * 7 + (i % 120) * (i % 11)) % 256);
  const raw = () => sharp(data, { raw: { width: 40, height: 28, channels: 3 } });
  if (!encoded.has(format)) encoded.set(format, formats[format](raw()).toBuffer());
  return encoded.get(format)!;
}

/** A PNG whose header says other sizes, with the right checksum. */
function resized(png: Uint8Array, width: number, height: number): Uint8Array {
  const result = Buffer.from(png);
  result.writeUInt32BE(width, 16);
  result.writeUInt32BE(height, 20);
  result.writeUInt32BE(crc32(result.subarray(12, 29)), 29);
  return result;
}

const side = fc.oneof(
  fc.integer({ min: 0, max: 70 }),
  fc.constantFrom(1, 255, 20_000, 60_000, 2 ** 20, 2 ** 31 - 1, 2 ** 32 - 1),
);
export interface PictureDamage {
  readonly format: Format;
  readonly edits: readonly Edit[];
  /** Of the bytes that changes fall into: all, or the first hundred. */
  readonly header: boolean;
  readonly sides: readonly [number, number] | null;
}
export const pictureDamage: fc.Arbitrary<PictureDamage> = fc.record({
  format: fc.constantFrom(...formatNames),
  edits,
  header: fc.boolean(),
  sides: fc.option(fc.tuple(side, side), { freq: 4 }),
});
export async function damagedPicture({ format, edits, header, sides }: PictureDamage): Promise<Uint8Array> {
  if (sides) return resized(await pictureIn('png'), ...sides);
  const bytes = await pictureIn(format);
  return edited(bytes, edits, header ? 100 : bytes.length);
}

/** As a dataset reads it. */
const asSquare = (picture: RgbImage) => centerCrop(resizeShorterEdge(picture, 16), 16);

export const pictures = defineKind({
  name: 'picture',
  about: 'damaged PNG, JPEG, WebP, GIF, AVIF, TIFF',
  share: 6,
  trials: 100,
  trial: pictureDamage,
  run: async (damage) => {
    const bytes = await damagedPicture(damage);
    return readOrRefused(['DataError'], async () => {
      const { width, height, data } = asSquare(await decodeImage(bytes));
      expect(width === 16 && height === 16 && data.length === 768, `expected 16 × 16 pixels, got ${width} × ${height}`);
    });
  },
});

// ---- golden files -------------------------------------------------------------------------------------------------

const goldenNames = ['lr_schedule', 'adamw', 'quantizer', 'maskgit_schedule'] as const;

export const golden = defineKind({
  name: 'golden',
  about: 'damaged golden files',
  share: 2,
  trials: 5,
  trial: fc.record({ name: fc.constantFrom(...goldenNames), damage }),
  async run({ name, damage }) {
    const path = new URL(`../golden/${name}.safetensors`, import.meta.url);
    const bytes = damaged(readFileSync(path), damage);
    const device = await openDevice('cpu', { threads: 1 });
    const report = await runGolden({ name, bytes: async () => bytes, beside: async () => undefined }, device);
    return report.status;
  },
});
