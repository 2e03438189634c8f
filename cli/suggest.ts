/** Messages for commands and options that do not exist: what was meant, most likely. */
import type { Command, CommanderError } from 'commander';
import { suggestion } from '../nn/index.ts';

/** What people from other tools type. */
const habits: Readonly<Record<string, string>> = {
  '--lr': '--learning-rate',
  '--bs': '--batch-size',
  '--batch': '--batch-size',
  '--epochs': '--steps',
  '--iters': '--steps',
  '--max-steps': '--steps',
  '--wd': '--weight-decay',
  '--out': '--name',
  '--output': '--name',
  '--data-dir': '--data',
};

/** "titok train: unknown option --lr. Did you mean --learning-rate?" */
export function suggestOption(program: Command, args: readonly string[], error: CommanderError): string {
  let command = program;
  for (const arg of args) {
    const next = command.commands.find((c) => c.name() === arg);
    if (!next) break;
    command = next;
  }
  const path: string[] = [];
  for (let c: Command | null = command; c; c = c.parent) path.unshift(c.name());
  const where = path.join(' ');
  if (error.code === 'commander.unknownOption') {
    const option = error.message.match(/'([^']+)'/)?.[1] ?? '';
    const known = command.options.map((o) => o.long ?? '').filter(Boolean);
    const habit = habits[option];
    const hint = habit && known.includes(habit) ? ` Did you mean ${habit}?` : capitalised(suggestion(option, known));
    return `${where}: unknown option ${option}.${hint || ` See '${where} --help'.`}`;
  }
  if (error.code === 'commander.unknownCommand' || error.code === 'commander.excessArguments') {
    const name = args.find((a) => !a.startsWith('-') && !path.includes(a)) ?? '';
    const known = command.commands.map((c) => c.name());
    if (known.length > 0)
      return `${where}: unknown command ${name}.${capitalised(suggestion(name, known)) || ` Expected one of ${known.join(', ')}.`}`;
  }
  if (error.code === 'commander.help' || error.message === '(outputHelp)') return command.helpInformation();
  return `${where}: ${error.message.replace(/^error: /, '')}. See '${where} --help'.`;
}

/** " (did you mean 'x'?)" → " Did you mean x?" */
const capitalised = (hint: string): string => hint.replace(/^ \(did you mean '(.*)'\?\)$/, ' Did you mean $1?');
