/** The command lines of the tools: --help, and one line about what is wrong. */
import { type Command, CommanderError } from 'commander';
import type { z } from 'zod';
import { fromText, group, settingsOf } from '../train/index.ts';

/**
 * Runs a tool whose command is named as one types it: 'npm run golden --'.
 *
 * @param failure  exit status after an error
 */
export async function runTool(program: Command, failure = 1, args = process.argv.slice(2)): Promise<void> {
  program.exitOverride().configureOutput({ outputError: () => {} }); // printed below
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return; // --help
    console.error(
      error instanceof CommanderError ? told(program, error) : error instanceof Error ? error.message : error,
    );
    process.exitCode = failure;
  }
}

/** "error: unknown option '--jsn'\n(Did you mean --json?)" → "golden: unknown option --jsn. Did you mean --json?" */
function told(program: Command, { message }: CommanderError): string {
  const name = program.name().replace(/^npm run (.*) --$/, '$1');
  const [what, hint = `(See '${program.name()} --help'.)`] = message.replace(/^error: /, '').split('\n');
  return `${name}: ${what.replaceAll("'", '').replace(/\.$/, '')}. ${hint.slice(1, -1)}`;
}

/** Reads an option's text as its declaration says: `count(8173, 'port', { least: 0, most: 65535 })`. */
export function reading(option: string, declaration: z.ZodType): (text: string) => unknown {
  const [setting] = settingsOf(group({ value: declaration }));
  return (text) => fromText(setting, option, text);
}
