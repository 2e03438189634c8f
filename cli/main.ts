#!/usr/bin/env node
/** The command line: `npm run --silent titok -- COMMAND …`. */
import { Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { addInfo } from './commands/info.ts';
import { addQuickstart } from './commands/quickstart.ts';
import { addReconstruct } from './commands/reconstruct.ts';
import { addSample } from './commands/sample.ts';
import { addTokenize } from './commands/tokenize.ts';
import { addTrain } from './commands/train.ts';
import { suggestOption } from './suggest.ts';

const program = new Command('titok')
  .description('An image is worth 32 tokens: train, tokenize, reconstruct, generate.')
  .showHelpAfterError(false)
  .exitOverride()
  .configureOutput({ writeErr: () => {}, outputError: () => {} });
for (const add of [addQuickstart, addTrain, addReconstruct, addTokenize, addSample, addInfo]) add(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError && error.exitCode === 0) process.exit(0); // --help, --version
  console.error(pc.red(messageOf(error)));
  process.exitCode = error instanceof Error && error.name === 'Interrupted' ? 130 : 1;
}

/** Our own errors in one line; anything else with its stack, because it is a bug. */
function messageOf(error: unknown): string {
  if (error instanceof CommanderError) return suggestOption(program, process.argv.slice(2), error);
  const known = [
    'ShapeError',
    'DeviceError',
    'CheckpointError',
    'DataError',
    'OptionError',
    'NonFiniteError',
    'Interrupted',
  ];
  if (error instanceof Error) return known.includes(error.name) ? error.message : (error.stack ?? error.message);
  return String(error);
}
