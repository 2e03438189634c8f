/** The figures that studies compare. */

/** How a figure is shown. */
export interface Figure {
  readonly title: string;
  readonly digits: number;
  /** A sentence that says what it is. */
  readonly about: string;
}

/** Figures by their names in the JSON of a study. */
export const figures = {
  fd: {
    title: 'FD',
    digits: 1,
    about: 'Fréchet distance of reconstructions to the held-out pictures on 96 MobileNetV2 features; not FID',
  },
  psnr: { title: 'PSNR (dB)', digits: 2, about: 'of reconstructions of the held-out pictures' },
  ssim: { title: 'SSIM', digits: 3, about: 'of reconstructions of the held-out pictures' },
  codesUsed: { title: 'codes used', digits: 0, about: 'different codes in the held-out pictures' },
  perplexity: { title: 'perplexity', digits: 0, about: 'of these codes: equally frequent ones with the same entropy' },
  probe: {
    title: 'probe (%)',
    digits: 1,
    about: "held-out pictures whose class a linear map of the encoder's latents tells, averaged over their tokens",
  },
  sampleFd: {
    title: 'sample FD',
    digits: 1,
    about: 'Fréchet distance of samples, as many as there are held-out pictures and of the same classes, to these',
  },
  precision: {
    title: 'precision',
    digits: 2,
    about: 'samples that lie among the held-out pictures, as the 3 nearest neighbors on these features tell',
  },
  recall: { title: 'recall', digits: 2, about: 'held-out pictures that lie among the samples' },
  density: {
    title: 'density',
    digits: 2,
    about: 'how many neighborhoods of held-out pictures a sample is in, as a share of their 5 neighbors',
  },
  coverage: { title: 'coverage', digits: 2, about: 'held-out pictures with a sample in their neighborhood' },
  inceptionScore: {
    title: 'inception score',
    digits: 2,
    about: 'of samples, 1 to the number of classes, by a linear classifier of these features; not by Inception',
  },
  variety: {
    title: 'variety',
    digits: 2,
    about: 'how much samples of a class differ, as a share of how much pictures do',
  },
  samplesPerSecond: { title: 'samples/s', digits: 1, about: 'from nothing to pixels, 64 at once, by processor time' },
  parameters: { title: 'parameters (M)', digits: 2, about: 'of the generator, millions' },
  seconds: { title: 'training (s)', digits: 0, about: 'of all stages of the row, those included that rows share' },
} as const satisfies Record<string, Figure>;

/** 'fd', 'psnr', … */
export type FigureName = keyof typeof figures;
/** Figures of one row trained with one seed; null where one is not a finite number. */
export type Figures = Readonly<Partial<Record<FigureName, number | null>>>;
