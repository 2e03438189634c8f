/**
 * Trains a small TiTok on several devices from the same start: losses side by side, time, and what a step asks of the
 * device. Time is taken over the last third of the steps, in one run on one machine: read it as ratios.
 *
 *   npm run devices:train -- cpu webasm webgpu --steps 50
 */
import { Command } from 'commander';
import { reading, runTool } from '../tools/command.ts';
import { count } from '../train/index.ts';
import { trainOn } from './training.ts';

async function run(names: readonly string[], { steps }: { steps: number }): Promise<void> {
  const marks = [0, Math.floor(steps / 3), steps - 1];
  console.log(
    `device       ${marks.map((m) => `loss ${m + 1}`.padStart(12)).join('')}   ms/step   launches/step   host ms/step   kernels`,
  );
  for (const name of names) {
    const { losses, msPerStep, launches, hostMs, live } = await trainOn(name, steps);
    const values = marks.map((m) => losses[m].toFixed(6).padStart(12)).join('');
    const figures = launches
      ? `${launches.toFixed(0).padStart(16)}${hostMs.toFixed(1).padStart(15)}${String(live.at(-1)!.device!.kernels).padStart(10)}`
      : '';
    console.log(`${name.padEnd(13)}${values}${msPerStep.toFixed(0).padStart(10)}${figures}`);
  }
}

await runTool(
  new Command('npm run devices:train --')
    .description('Trains a small TiTok on several devices from the same start.')
    .argument('[devices...]', 'names of devices', ['cpu', 'gpujs-cpu', 'webasm', 'webgpu'])
    .option(
      '--steps <number>',
      'updates, 3 to 100000',
      reading('--steps', count(50, 'updates', { least: 3, most: 100_000 })),
      50,
    )
    .action(run),
);
process.exit();
