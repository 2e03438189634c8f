/** Random options for every command, from the program's own declarations: each is taken or refused by name. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import fc from 'fast-check';
import sharp from 'sharp';
import { CheckedOption } from '../../cli/options.ts';
import { commandLine } from '../../cli/program.ts';
import type { StageName } from '../../train/index.ts';
import { defineKind, expect } from './kind.ts';
import { checkpoint, expectTold, here, type Options, removeRun, training } from './workshop.ts';

interface Declared {
  /** ['train', 'warmup'] */
  readonly words: readonly string[];
  readonly options: readonly Option[];
  /** Whether it takes files. */
  readonly files: boolean;
}

const commandsOf = (command: Command, words: readonly string[] = []): Declared[] =>
  command.commands.length > 0
    ? command.commands.flatMap((child) => commandsOf(child, [...words, child.name()]))
    : [{ words, options: command.options, files: command.registeredArguments.length > 0 }];
const commands = commandsOf(commandLine());

const odd = [
  ...['', ' ', '-1', '0', '1', '2', '3', '8', '0.5', '1.5', '1e-3', '1e9', '1e400', 'NaN', 'Infinity', '-0', '0x10'],
  ...[
    '1_000',
    '１',
    'null',
    '[1]',
    '1,2',
    '2,3',
    '1,2,3',
    '1,,2',
    '../../x',
    '../x',
    'nul',
    'a'.repeat(300),
    '💥',
    '--steps',
  ],
  ...['9007199254740993', 'pictures', 'nowhere', 'emoji', 'runs/whole/teacher.safetensors', 'out/x.png', 'out/x.jpg'],
  ...['out/x.webp', 'out', 'true', '16', '32', '33', '4', '7', '1000', '65536', '1e6'],
];
/** A value for an option: mostly what its declaration takes, of that mostly what is small, else something odd. */
function valueFor(option: Option): fc.Arbitrary<string> {
  if (!option.required && !option.optional) return fc.constant('');
  if (option.long === '--device') return fc.constantFrom('cpu', 'cpu', 'cpu', 'gpu');
  const texts = [...odd, ...(option.description.match(/[\w.-]+/g) ?? [])]; // its words, its limits, its default
  const taken = texts.filter((text) => accepts(option, text));
  const small = taken.filter((text) => !(Math.abs(Number(text)) > 64));
  const pools = [
    { weight: 1, from: texts },
    { weight: 1, from: taken },
    { weight: 10, from: small },
  ].filter(({ from }) => from.length > 0);
  return fc.oneof(...pools.map(({ weight, from }) => ({ weight, arbitrary: fc.constantFrom(...from) })));
}

function accepts(option: Option, text: string): boolean {
  try {
    if (option instanceof CheckedOption) option.read(text);
    return true;
  } catch {
    return false;
  }
}

const files = [
  'pictures/val/cats/0.png',
  'pictures/val/dogs/1.png',
  'runs/whole/finetune.safetensors',
  'nowhere.png',
  'pictures',
];
const runs = ['whole', 'nowhere', '../whole'];
const trial = fc.constantFrom(...commands).chain(({ words, options, files: takes }) =>
  fc.record({
    words: fc.constant(words),
    /** Whether the run has what the command would make. */
    again: fc.constantFrom(true, false, false, false),
    files: takes
      ? fc.array(fc.constantFrom(...(words[0] === 'export' ? runs : files)), { minLength: 1, maxLength: 2 })
      : fc.constant([]),
    options: fc
      .uniqueArray(fc.constantFrom(...options), { minLength: 1, maxLength: 4, selector: (option) => option.long })
      .chain((chosen) =>
        fc.record(Object.fromEntries(chosen.map((option) => [option.long ?? option.flags, valueFor(option)]))),
      ),
  }),
);

/** Small ones, so that a command takes a second; random ones replace them. */
function smallOptions([command, stage]: readonly string[]): Options {
  const name = { '--name': 'whole', '--threads': '1' };
  if (command === 'train') return training(stage as StageName, 'whole');
  if (command === 'quickstart') return { ...name, '--preset': 'smoke', '--data': 'pictures' };
  if (command === 'sample') return { ...name, '--count': '1' };
  if (command === 'export' || command === 'study') return { '--threads': '1' };
  return command === 'info' ? {} : name;
}

const box = 'options/a/b/c'; // what leaves runs/ shows in the folders above

export const randomOptions = defineKind({
  name: 'options',
  about: 'random options of every command',
  share: 15,
  trials: 4,
  trial,
  async run({ words, again, files, options }) {
    const home = process.cwd();
    rmSync('options', { recursive: true, force: true });
    mkdirSync(box, { recursive: true });
    for (const folder of ['pictures', 'runs']) cpSync(folder, join(box, folder), { recursive: true });
    process.chdir(box);
    if (!again && words[0] === 'train') rmSync(checkpoint('whole', words[1] as StageName), { force: true });
    if (!again && words[0] === 'quickstart') removeRun('whole');
    try {
      const given = Object.entries({ ...smallOptions(words), ...options });
      const args = [...words, ...files, ...given.map(([name, value]) => (value === '' ? name : `${name}=${value}`))];
      const outcome = await here(args, 3000);
      const ending = expectTold(outcome, args.join(' '));
      for (const line of outcome.out.split('\n')) {
        if (ending === 'done' && /^out\/x\.\w+$/.test(line)) await expectFormat(line);
      }
      return ending;
    } finally {
      process.chdir(home);
      const outside = ['options', 'options/a', 'options/a/b'].flatMap((folder) => readdirSync(folder));
      expect(outside.join() === 'a,b,c', `expected nothing outside of runs/, got ${outside}`);
    }
  },
});

/** A file holds what its name says. */
async function expectFormat(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const { format } = await sharp(path).metadata();
  const ending = path.slice(path.lastIndexOf('.') + 1).replace('jpg', 'jpeg');
  expect(format === ending, `${path}: expected ${ending}, got ${format}`);
}
