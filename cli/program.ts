/** The command line as a function of its arguments. */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { addInfo } from './commands/info.ts';
import { addQuickstart } from './commands/quickstart.ts';
import { addReconstruct } from './commands/reconstruct.ts';
import { addSample } from './commands/sample.ts';
import { addTokenize } from './commands/tokenize.ts';
import { addTrain } from './commands/train.ts';
import { checkOptions } from './options.ts';
import { commandOf, explain } from './suggest.ts';

const { version } = createRequire(import.meta.url)('titok-ts/package.json') as { version: string };

/** All commands with their options, nothing run yet. */
export function commandLine(): Command {
  const program = new Command('titok')
    .description('An image is worth 32 tokens: train, tokenize, reconstruct, generate.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => console.log(text.trimEnd()), writeErr: () => {}, outputError: () => {} }); // errors are handled below
  for (const add of [addQuickstart, addTrain, addReconstruct, addTokenize, addSample, addInfo]) add(program);
  checkOptions(program);
  return program;
}

/**
 * Runs a command. What it found goes to stdout, what went wrong to stderr.
 *
 * @param args  without the program's name: ['train', 'warmup', '--steps', '10']
 * @returns     exit status: 0, 1 for an error, 130 after Ctrl-C
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const program = commandLine();
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0; // --help or --version has been printed
      if (error.code !== 'commander.help') {
        console.error(pc.red(explain(program, args, error)));
        return 1;
      }
      commandOf(program, args).outputHelp(); // a command that needs another word after it
      return 0;
    }
    const interrupted = error instanceof Error && error.name === 'Interrupted';
    console.error(interrupted ? error.message : pc.red(messageOf(error)));
    return interrupted ? 130 : 1;
  }
}

/** Errors that tell what to do about them. */
const known = ['ShapeError', 'DeviceError', 'CheckpointError', 'DataError', 'OptionError', 'NonFiniteError'];

/** Our own errors and the system's (disk full, no permission) in one line; anything else with its stack: it is a bug. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const told = known.includes(error.name) || (error as NodeJS.ErrnoException).syscall !== undefined;
  return told ? error.message : (error.stack ?? error.message);
}
