/** What trainings with the presets end with. Written by `npm run quality`. */
import type { PresetName } from './presets.ts';
import type { StageName } from './stage.ts';

/** Lowest and highest usual value of a figure: `usual.tiny?.warmup?.psnr`. */
export const usual: Partial<
  Record<PresetName, Partial<Record<StageName, Readonly<Record<string, readonly [low: number, high: number]>>>>>
> = {};
