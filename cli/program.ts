/** The command line as a function of its arguments. */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { addData } from './commands/data.ts';
import { addEdit } from './commands/edit.ts';
import { addEvaluate } from './commands/evaluate.ts';
import { addExport } from './commands/export.ts';
import { addImport } from './commands/import.ts';
import { addInfo } from './commands/info.ts';
import { addPlot } from './commands/plot.ts';
import { addQuickstart } from './commands/quickstart.ts';
import { addReconstruct } from './commands/reconstruct.ts';
import { addReport } from './commands/report.ts';
import { addSample } from './commands/sample.ts';
import { addStudy } from './commands/study.ts';
import { addTokenize } from './commands/tokenize.ts';
import { addTrain } from './commands/train.ts';
import { addVerify } from './commands/verify.ts';
import { addWatch } from './commands/watch.ts';
import { forgetStopRequest, Interrupted, stopRequest } from './interruption.ts';
import { quoted } from './made-by.ts';
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
  for (const add of [
    addQuickstart,
    addTrain,
    addReconstruct,
    addTokenize,
    addSample,
    addEdit,
    addEvaluate,
    addExport,
    addVerify,
    addImport,
    addReport,
    addWatch,
    addPlot,
    addInfo,
    addData,
    addStudy,
  ])
    add(program);
  checkOptions(program);
  return program;
}

/**
 * Runs a command. What it found goes to stdout, what went wrong to stderr.
 *
 * @param args  without the program's name: ['train', 'warmup', '--steps', '10']
 * @returns     exit status: 0, 1 for an error, 130 after Ctrl-C, 141 when nobody reads the output any more
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  forgetStopRequest();
  const program = commandLine();
  program.hook('preAction', (_, command) => {
    command.setOptionValue('command', ['titok', ...args].map(quoted).join(' '));
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return statusAfter(0);
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      console.error(error instanceof Interrupted ? error.message : pc.red(messageOf(error)));
      return error instanceof Interrupted ? statusAfter(130) : 1;
    }
    if (error.exitCode === 0) return 0; // --help or --version has been printed
    if (error.code === 'commander.help') {
      commandOf(program, args).outputHelp(); // a command that needs another word after it
      return 0;
    }
    console.error(pc.red(explain(program, args, error)));
    return 1;
  }
}

/** The status of a command that ended as it should, unless it was asked to end. */
function statusAfter(status: number): number {
  const request = stopRequest();
  if (request?.message) console.error(pc.red(request.message));
  return request?.status ?? status;
}

/** Errors that tell what to do about them. */
const known = ['ShapeError', 'DeviceError', 'CheckpointError', 'DataError', 'OptionError', 'NonFiniteError'];
/** V8's words for arrays that do not fit into memory. */
const outOfMemory = /^(Array buffer allocation failed|Invalid (typed )?array (buffer )?length)/;

/** Our own errors and the system's (disk full, no permission) in one line; anything else with its stack: it is a bug. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof RangeError && outOfMemory.test(error.message))
    return `memory: expected room for everything that was asked for, got none (${error.message}). Choose smaller sizes.`;
  const told = known.includes(error.name) || (error as NodeJS.ErrnoException).syscall !== undefined;
  return told ? error.message : (error.stack ?? error.message);
}
