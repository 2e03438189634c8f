/** Runs golden files through the library: finds a file's family and reports the comparison. Runs in browsers. */
import { type Device, setDefaultDevice } from '../../core/index.ts';
import { Comparison, type Miss } from './comparison.ts';
import { discriminator } from './discriminator.ts';
import { evaluator } from './evaluator.ts';
import { GoldenFile, type GoldenSource } from './file.ts';
import { maskgit } from './maskgit.ts';
import { mobilenet } from './mobilenet.ts';
import { ops } from './ops.ts';
import { perceptual } from './perceptual.ts';
import { preprocess } from './preprocess.ts';
import { quantizer } from './quantizer.ts';
import { lrSchedule, maskgitSchedule } from './schedules.ts';
import { titokStage2 } from './stage2.ts';
import { titokStage1, titokVae } from './titok.ts';
import { adamw, trainMaskgit, trainStage1 } from './training.ts';
import { vqgan } from './vqgan.ts';

/** Computes and compares all results of a file. */
type Family = (file: GoldenFile, check: Comparison) => Promise<void>;

/** The family of a file, by the start of its name. */
const families: readonly (readonly [name: RegExp, family: Family])[] = [
  [/^ops/, ops],
  [/^quantizer/, quantizer],
  [/^titok_stage1/, titokStage1],
  [/^titok_stage2/, titokStage2],
  [/^titok_vae/, titokVae],
  [/^maskgit_vqgan/, vqgan],
  [/^maskgit_schedule/, maskgitSchedule],
  [/^maskgit_(bert|uvit)/, maskgit],
  [/^discriminator/, discriminator],
  [/^perceptual/, perceptual],
  [/^mobilenetv2/, mobilenet],
  [/^adamw/, adamw],
  [/^lr_schedule/, lrSchedule],
  [/^train_stage1/, trainStage1],
  [/^train_maskgit/, trainMaskgit],
  [/^evaluator/, evaluator],
  [/^preprocess/, preprocess],
];

/** The outcome of one file. */
export interface GoldenReport {
  readonly file: string;
  readonly device: string;
  /** Tensors compared, and numbers in them. */
  readonly compared: number;
  readonly values: number;
  /** The worst error, relative to the largest magnitude in its tensor, and that tensor's key. */
  readonly worst: number;
  readonly worstKey: string;
  readonly status: 'pass' | 'fail' | 'unsupported';
  /** Results that were not compared. */
  readonly unsupported: readonly string[];
  readonly misses: readonly Miss[];
}

/** Runs one file on a device, which becomes the default device. */
export async function runGolden(source: GoldenSource, device: Device): Promise<GoldenReport> {
  setDefaultDevice(device);
  const { name } = source;
  const family = families.find(([pattern]) => pattern.test(name))?.[1];
  const misses: Miss[] = [];
  let check: Comparison | undefined;
  try {
    check = new Comparison(await GoldenFile.open(source));
    await family?.(check.file, check);
  } catch (error) {
    misses.push({ key: name, message: error instanceof Error ? error.message : String(error) });
  }
  misses.unshift(...(check?.misses ?? []));
  const { compared = 0, values = 0, worst = 0, worstKey = '' } = check ?? {};
  const unsupported = family ? [...(check?.unsupported ?? []), ...(check?.leftOver() ?? [])] : [name];
  const status = misses.length > 0 ? 'fail' : compared === 0 ? 'unsupported' : 'pass';
  return { file: name, device: device.name, compared, values, worst, worstKey, status, unsupported, misses };
}
