/**
 * `npm run quality -- tiny --seeds 3`: trains presets with several seeds, as `titok quickstart` does, and writes what came out
 * to docs/quality.json, to docs/what-to-expect.md, and to train/usual.ts, which later trainings are compared with. It goes on
 * where it was stopped: runs that are finished are not trained again.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { count, type PresetName, presets } from '../../train/index.ts';
import { reading, runTool } from '../command.ts';
import { addResults } from './pages.ts';
import { probeRun } from './probe.ts';
import { type Metrics, resultsOf } from './results.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A finished run's figures. @throws Error when its training fails or is stopped */
async function trained(preset: PresetName, seed: number): Promise<{ metrics: Metrics; folder: string }> {
  const name = `quality-${preset}-${seed}`;
  const folder = join(root, 'runs', name);
  const file = join(folder, 'metrics.json');
  if (!existsSync(file)) {
    console.log(`\n${preset}, seed ${seed}`);
    const options = ['--preset', preset, '--seed', `${seed}`, '--name', name, '--resume'];
    const { status } = spawnSync(process.execPath, ['--import', 'tsx', 'cli/main.ts', 'quickstart', ...options], {
      cwd: root,
      stdio: 'inherit',
    });
    if (status !== 0) throw new Error(`quality: ${name} was not trained to its end. The same command goes on with it.`);
  }
  const metrics = JSON.parse(readFileSync(file, 'utf8')) as Metrics;
  const probed = await probeRun(folder);
  const stages = metrics.stages.map((row) => (row.name === 'generator' ? { ...row, ...probed } : row));
  return { metrics: { ...metrics, stages }, folder };
}

async function run(names: readonly string[], { seeds }: { seeds: number }): Promise<void> {
  const known = Object.keys(presets) as PresetName[];
  const wanted = names.length > 0 ? names : known;
  const unknown = wanted.find((name) => !known.includes(name as PresetName));
  if (unknown !== undefined) throw new Error(`quality: expected some of ${known.join(', ')}, got '${unknown}'.`);
  for (const preset of wanted as PresetName[]) {
    const runs: Awaited<ReturnType<typeof trained>>[] = [];
    for (let seed = 0; seed < seeds; seed++) runs.push(await trained(preset, seed));
    addResults(root, resultsOf(preset, runs, cpus()[0].model.trim()));
  }
}

await runTool(
  new Command('npm run quality --')
    .description('Trains presets with several seeds, and keeps what came out.')
    .argument('[presets...]', `some of ${Object.keys(presets).join(', ')}; none: all`)
    .option('--seeds <n>', 'runs of each preset', reading('--seeds', count(3, 'seeds', { most: 100 })), 3)
    .action(run),
);
