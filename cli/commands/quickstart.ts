import type { Command } from 'commander';
import { type PresetName, presets } from '../presets.ts';
import { quickstart } from '../quickstart.ts';
import { choice, count } from '../values.ts';

export function addQuickstart(program: Command): void {
  program
    .command('quickstart')
    .description('Trains teacher, TiTok stage 1, stage 2 and MaskGIT on real images and shows pictures.')
    .option('--preset <name>', Object.keys(presets).join(', '), 'tiny')
    .option('--name <name>', 'folder under runs/', 'quickstart')
    .option('--seed <number>', 'of weights, data order and samples', '0')
    .option('--data <folder>', "'emoji' or a folder of class folders", 'emoji')
    .option('--device <name>', 'what to run on', 'cpu')
    .option('--threads <number>', 'of the cpu device; all cores unless given')
    .option('--resume', 'go on where the run stopped', false)
    .option('--picture-every <steps>', 'updates between pictures; 0: at the end of each stage', '250')
    .option('--compare', 'also train the single-stage recipe for the same time', false)
    .action((given) =>
      quickstart({
        ...given,
        preset: choice('--preset', given.preset, Object.keys(presets)) as PresetName,
        seed: count('--seed', given.seed),
        threads: given.threads === undefined ? undefined : count('--threads', given.threads),
        pictureEvery: count('--picture-every', given.pictureEvery),
      }),
    );
}
