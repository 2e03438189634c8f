/** `titok import FOLDER --name RUN`: what PyTorch has trained, as a run. */
import type { Command } from 'commander';
import { importTorch } from '../../train/index.ts';
import { runFolder, runNameOption } from '../runs.ts';

interface ImportGiven {
  readonly name: string;
  readonly overwrite: boolean;
}

export function addImport(program: Command): void {
  program
    .command('import')
    .description('Brings an exported training back from PyTorch into a run.')
    .argument(
      '<path>',
      "folder that 'titok export --to torch' wrote, or a file of weights in it (.safetensors, .bin, .pt)",
    )
    .addOption(runNameOption('run to create').makeOptionMandatory())
    .option('--overwrite', 'replaces a run of that name', false)
    .action(async (path: string, { name, overwrite }: ImportGiven) => {
      const folder = runFolder(name);
      const { stage, done, hasOptimizer } = await importTorch(path, folder, { overwrite });
      console.log(`${folder}  ${stage}, ${done} updates done${hasOptimizer ? '' : ', with a new optimizer'}`);
    });
}
