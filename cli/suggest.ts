/** Messages for commands and options that do not exist: what was meant, most likely. */
import type { Command, CommanderError } from 'commander';
import { suggestion } from '../core/index.ts';

/** What people from other tools type. */
const habits: Readonly<Record<string, string>> = {
  '--lr': '--learning-rate',
  '--bs': '--batch-size',
  '--batch': '--batch-size',
  '--epochs': '--steps',
  '--iters': '--steps',
  '--max-steps': '--steps',
  '--wd': '--weight-decay',
  '--out': '--output',
  '--output': '--name',
  '--data-dir': '--data',
};

/** The command that the arguments lead to: 'train warmup' for `train warmup --steps 3`. */
export function commandOf(program: Command, args: readonly string[]): Command {
  let command = program;
  for (const arg of args) {
    const next = command.commands.find((c) => c.name() === arg);
    if (!next) break;
    command = next;
  }
  return command;
}

/** "titok train: unknown option --lr. Did you mean --learning-rate?" */
export function explain(program: Command, args: readonly string[], error: CommanderError): string {
  const command = commandOf(program, args);
  const path: string[] = [];
  for (let c: Command | null = command; c; c = c.parent) path.unshift(c.name());
  const where = path.join(' ');
  if (error.code === 'commander.unknownOption') {
    const option = error.message.match(/'([^']+)'/)?.[1] ?? '';
    const known = [command, ...command.commands].flatMap((c) => c.options.map((o) => o.long ?? '')).filter(Boolean);
    const habit = habits[option];
    const below = command.commands.filter((c) => c.options.some(({ long }) => long === option));
    const hint =
      below.length > 0
        ? ` Give it after the command: ${where} ${(below.find((c) => args.includes(c.name())) ?? below[0]).name()} ${option}.`
        : habit && known.includes(habit)
          ? ` Did you mean ${habit}?`
          : capitalized(suggestion(option, known));
    return `${where}: unknown option ${option}.${hint || ` See '${where} --help'.`}`;
  }
  const known = command.commands.map((c) => c.name());
  if (known.length > 0 && (error.code === 'commander.unknownCommand' || error.code === 'commander.excessArguments')) {
    const name = args.find((a) => !a.startsWith('-') && !path.includes(a)) ?? '';
    const hint = capitalized(suggestion(name, known)) || ` Expected one of ${known.join(', ')}.`;
    return `${where}: unknown command ${name || "''"}.${hint}`;
  }
  const message = error.message.replace(/^error: /, '').replace(/\.$/, '');
  return `${where}: ${message}. See '${where} --help'.`;
}

/** " (did you mean 'x'?)" → " Did you mean x?" */
const capitalized = (hint: string): string => hint.replace(/^ \(did you mean '(.*)'\?\)$/, ' Did you mean $1?');
