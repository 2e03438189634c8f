/** What trainings with the presets end with. Written by `npm run quality`. */
import type { PresetName } from './presets.ts';
import type { StageName } from './stage.ts';

/** Lowest and highest usual value of a figure: `usual.tiny?.warmup?.psnr`. */
export const usual: Partial<
  Record<PresetName, Partial<Record<StageName, Readonly<Record<string, readonly [low: number, high: number]>>>>>
> = {
  tiny: {
    teacher: {
      loss: [0.1235, 0.1315],
      psnr: [20.91, 21.8],
      fd: [28.98, 34.59],
    },
    warmup: {
      loss: [1.996, 2.131],
      psnr: [17.38, 18.31],
      fd: [31.89, 39.69],
    },
    finetune: {
      loss: [0.4155, 0.4389],
      psnr: [16.25, 17],
      fd: [23.56, 30.15],
    },
    generator: {
      loss: [4.397, 4.746],
      fd: [31.69, 38.52],
    },
  },
  small: {
    teacher: {
      loss: [0.1201, 0.1263],
      psnr: [21.32, 22.18],
      fd: [24.87, 29.19],
    },
    warmup: {
      loss: [1.624, 1.708],
      psnr: [18.83, 19.59],
      fd: [26.74, 31.38],
    },
    finetune: {
      loss: [0.3439, 0.3615],
      psnr: [17.54, 18.26],
      fd: [21.45, 25.17],
    },
    generator: {
      loss: [3.737, 3.929],
      fd: [27.43, 32.21],
    },
  },
  medium: {
    teacher: {
      loss: [0.07465, 0.07847],
      psnr: [23.19, 24.13],
      fd: [45.2, 53.06],
    },
    warmup: {
      loss: [1.577, 1.657],
      psnr: [18.14, 18.88],
      fd: [63.87, 74.97],
    },
    finetune: {
      loss: [0.357, 0.3754],
      psnr: [16.91, 17.61],
      fd: [53.44, 62.74],
    },
    generator: {
      loss: [4.528, 4.76],
      fd: [61.59, 72.31],
    },
  },
};
