/** `titok watch RUN`: the page on a run that is training. */
import type { Command } from 'commander';
import { OptionError, openDevice, setDefaultDevice } from '../../core/index.ts';
import { serve } from '../../http/index.ts';
import { count, group } from '../../train/index.ts';
import { addSettings, byDefault, type Given, readSettings } from '../options.ts';
import { shownRun } from '../runs.ts';
import { pageFolder, watchFiles } from '../watch.ts';

const settings = group({
  port: count(8174, 'port of this machine; 0: any that is free', { least: 0, most: 65_535 }),
});

export function addWatch(program: Command): void {
  const command = program
    .command('watch')
    .description('Serves the page on a run, also while it trains: its latest checkpoint to play with, and its curves.')
    .argument('<run>', 'folder in runs/, or the path of a run')
    .action(watch);
  addSettings(command, settings, byDefault);
}

async function watch(name: string, given: Given): Promise<void> {
  const folder = shownRun(name);
  const { port } = readSettings(settings, {}, given);
  const files = watchFiles(folder, pageFolder());
  setDefaultDevice(await openDevice('reference')); // weights are only copied, and its arrays are garbage collected
  // one thread for the page: the training needs the others
  const { url } = await serve(files, { isolated: false, port }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error;
    throw new OptionError(`--port: expected a free port, got ${port} (${error.code}). Name another.`);
  });
  console.log(`${url}  run ${folder}; curves: ${url}report/  (Ctrl-C ends it)`);
}
