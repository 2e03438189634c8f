/** `titok quickstart`: all trainings with a preset's settings. */
import type { Command } from 'commander';
import { type QuickstartGiven, quickstart } from '../quickstart.ts';
import { addTrainingOptions } from '../training.ts';

export function addQuickstart(program: Command): void {
  const command = program
    .command('quickstart')
    .description('Trains teacher, TiTok stage 1, stage 2 and MaskGIT on real images and shows pictures.');
  addTrainingOptions(command)
    .option(
      '--from <model>',
      'a model in the box, on the hub, a file or runs/NAME, whose decoder and generator learn these images',
    )
    .option('--compare', 'also train the single-stage recipe for the same time', false)
    .action((given: QuickstartGiven) => quickstart(given));
}
