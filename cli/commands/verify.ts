/** `titok verify FOLDER`: what a model computes here, for PyTorch to compare with. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { verifyTorch } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { quoted } from '../made-by.ts';

export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .description(
      "Writes ids, activations and gradients of an exported training into its folder, which the folder's verify.py checks in PyTorch.",
    )
    .argument('<folder>', "folder that 'titok export --to torch' wrote")
    .action(async (folder: string, given) => {
      await openGivenDevice(given, 'highest');
      console.log(await verifyTorch(folder));
      console.log(`check there:  python3 ${quoted(join(folder, 'verify.py'))}`);
    });
  addDeviceOptions(command, 'highest');
}
