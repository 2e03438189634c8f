/** Every option with a value: what is out of range is refused by name, before anything is loaded or written. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Command } from 'commander';
import fc from 'fast-check';
import { CheckedOption, SettingOption } from '../../cli/options.ts';
import { commandLine } from '../../cli/program.ts';
import { titokAsGiven, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Each command that does something, with the words that lead to it. */
function commandsOf(command: Command, words: readonly string[] = []): { words: readonly string[]; command: Command }[] {
  const below = command.commands.flatMap((child) => commandsOf(child, [...words, child.name()]));
  return command.commands.length > 0 ? below : [{ words, command }];
}
const commands = commandsOf(commandLine());
const options = commands.flatMap(({ words, command }) => command.options.map((option) => ({ words, command, option })));
const numeric = options.flatMap(({ option, ...rest }) =>
  option instanceof SettingOption && option.setting.type.startsWith('number')
    ? [{ ...rest, name: option.long ?? '', setting: option.setting }]
    : [],
);

/** Arguments that a command insists on. */
const required = (command: Command): string[] => (command.registeredArguments.length > 0 ? ['nothing.png'] : []);

test('every option that takes a number is declared with its range', () => {
  assert.ok(numeric.length > 100, `${numeric.length}`);
  for (const { words, option } of options) {
    const where = `${words.join(' ')} ${option.flags}`;
    if (option.flags.includes('<number')) assert.ok(option instanceof SettingOption, where);
    if (option instanceof SettingOption && option.setting.type.startsWith('number'))
      assert.match(option.description, /number.* (from|>|≥) \S+ (to|and) /, where);
  }
});

const forms = [
  '',
  ' ',
  'x',
  'NaN',
  'Infinity',
  '-Infinity',
  '0x1',
  '0b1',
  '1_0',
  '5px',
  '1e999',
  '-1',
  '1;2',
  '½',
  '٣',
  '1 ',
];

test('a number out of range, or none, is an OptionError that names option and range', async (t) => {
  const wrong = fc.oneof(
    fc.constantFrom(...forms),
    fc.double({ noNaN: true }).map(String),
    fc.constantFrom('1.5', '0', '1e39', '1e10', '99999999', '9007199254740993', '-0.5', '2,3', '1,2,3', '0.5'),
    fc.string({ maxLength: 4 }).filter((text) => !text.startsWith('-')),
  );
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...numeric), wrong, async ({ words, command, name, setting }, text) => {
      const numbers = (setting.type === 'numbers' ? text.split(',') : [text]).map((part) =>
        /^[-+.\d]/.test(part) && /[\d.]$/.test(part) && !/^[-+]?0[xob]/i.test(part) ? Number(part) : Number.NaN,
      );
      fc.pre(!setting.accepts(setting.type === 'numbers' ? numbers : numbers[0]));
      refused++;
      const outcome = await titokAsGiven(t, ...words, ...required(command), `${name}=${text}`);
      assert.equal(outcome.status, 1);
      assert.ok(outcome.err.startsWith(`${name}: expected ${setting.range}, got '${text}'`), outcome.err);
      assert.equal(outcome.out, '');
    }),
    { numRuns: 200, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: false },
  );
  assert.ok(refused > 100, `${refused}`);
  assert.deepEqual(readdirSync('.'), []);
});

test('the limits themselves are accepted, one more is not', () => {
  for (const { words, name, setting } of numeric.filter(({ setting }) => setting.range.startsWith('a '))) {
    const [, low, high] = setting.range.match(/from (\S+) to (\S+)$/) ?? [];
    if (high === undefined) continue;
    const where = `${words.join(' ')} ${name}`;
    for (const limit of [low, high]) assert.ok(setting.accepts(Number(limit)), where);
    const step = setting.range.includes('whole') ? 1 : 1e-9 * Math.max(1, Number(high));
    assert.ok(!setting.accepts(Number(high) + step), where);
    assert.ok(!setting.accepts(Number(low) - step), where);
  }
});

test('an option is given once, or with the same value', async (t) => {
  for (const { words, command, option } of options.filter(({ option }) => option.required)) {
    const read = option instanceof SettingOption ? option.setting : undefined;
    const [a, b] = read?.words.length
      ? read.words
      : read
        ? [String(read.default ?? 1), String(read.default ?? 1)]
        : ['a', 'b'];
    if (a === b || (option instanceof CheckedOption && !read)) continue;
    const { status, err } = await titokAsGiven(
      t,
      ...words,
      ...required(command),
      `${option.long}=${a}`,
      `${option.long}=${b}`,
    );
    assert.deepEqual([status, err], [1, `${option.long}: expected one value, got '${a}' and '${b}'.`], words.join(' '));
  }
});

test('a run is a folder in runs/', async (t) => {
  const names = [
    '../x',
    '/tmp/x',
    '',
    '.',
    '..',
    'a/b',
    'a\\b',
    'C:x',
    'con',
    'NUL.txt',
    'com1',
    'a.',
    ' a',
    'a ',
    'x'.repeat(101),
    'ü'.repeat(51),
    'a*',
    'a\tb',
  ];
  for (const { words, command } of options.filter(({ option }) => option.long === '--name')) {
    for (const name of names) {
      const { status, out, err } = await titokAsGiven(t, ...words, ...required(command), `--name=${name}`);
      assert.deepEqual([status, out], [1, ''], name);
      assert.ok(err.startsWith(`--name: expected the name of a folder in runs/, got '${name.slice(0, 100)}'.`), err);
    }
  }
  assert.deepEqual(readdirSync('.'), []);
});
