/** What trainings with the presets end with. Written by `npm run quality`. */
import type { PresetName } from './presets.ts';
import type { StageName } from './stage.ts';

/** Lowest and highest usual value of a figure: `usual.tiny?.warmup?.psnr`. */
export const usual: Partial<
  Record<PresetName, Partial<Record<StageName, Readonly<Record<string, readonly [low: number, high: number]>>>>>
> = {
  tiny: {
    teacher: {
      loss: [0.1221, 0.1315],
      psnr: [20.91, 21.8],
      fd: [28.57, 34.57],
    },
    warmup: {
      loss: [1.976, 2.264],
      psnr: [17.28, 18.3],
      fd: [31.93, 39.65],
    },
    finetune: {
      loss: [0.4155, 0.4555],
      psnr: [15.97, 17],
      fd: [23.56, 30.15],
    },
    generator: {
      loss: [4.254, 4.758],
      fd: [31.23, 38.47],
    },
  },
  small: {
    teacher: {
      loss: [0.1182, 0.1262],
      psnr: [21.28, 22.2],
      fd: [24.53, 29.63],
    },
    warmup: {
      loss: [1.439, 1.741],
      psnr: [18.82, 19.95],
      fd: [26.7, 32.91],
    },
    finetune: {
      loss: [0.3126, 0.354],
      psnr: [17.58, 18.66],
      fd: [19, 22.83],
    },
    generator: {
      loss: [3.702, 4.228],
      fd: [20.73, 28.04],
    },
  },
  medium: {
    teacher: {
      loss: [0.07465, 0.07847],
      psnr: [23.19, 24.13],
      fd: [45.2, 53.06],
    },
    warmup: {
      loss: [1.568, 1.648],
      psnr: [18.07, 18.81],
      fd: [62.34, 73.18],
    },
    finetune: {
      loss: [0.3443, 0.3619],
      psnr: [17.05, 17.75],
      fd: [40.86, 47.96],
    },
    generator: {
      loss: [4.409, 4.635],
      fd: [43.32, 50.86],
    },
  },
};
