/** The command lines of npm scripts: --help, ranges, suggestions. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { reading, runTool } from '../../tools/command.ts';
import { count } from '../../train/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { scripts: Record<string, string> };

for (const name of ['web', 'web:size', 'site', 'build', 'test:nodes', 'devices:train', 'docs:results', 'test']) {
  test(`npm run ${name} -- --help`, () => {
    const script = scripts[name].replace(/^tsx /, '');
    const run = (option: string) =>
      spawnSync(process.execPath, ['--import', 'tsx', script, option], { cwd: root, encoding: 'utf8' });
    const { status, stdout, stderr } = run('--help');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^Usage: npm (run )?${name} -- `));
  });
}

/** What a tool prints on stderr, and its exit status. */
async function run(t: TestContext, ...args: string[]): Promise<[status: typeof process.exitCode, lines: string[]]> {
  const lines: string[] = [];
  const error = t.mock.method(console, 'error', (text: string) => lines.push(text));
  const program = new Command('npm run site --')
    .option('--port <number>', 'port', reading('--port', count(80, 'port', { least: 0, most: 65_535 })))
    .option('--build <folder>')
    .allowExcessArguments(false)
    .action(({ port }: { port?: number }) => {
      if (port === 13) throw new Error('site: unlucky');
    });
  const before = process.exitCode;
  process.exitCode = 0;
  await runTool(program, 3, args);
  const status = process.exitCode;
  process.exitCode = before;
  error.mock.restore();
  return [status, lines];
}

test('a mistake is one line, and the status of the tool', async (t) => {
  assert.deepEqual(await run(t, '--port', '8080'), [0, []]);
  const mistakes: [args: string[], line: string][] = [
    [['--prot', '1'], 'site: unknown option --prot. Did you mean --port?'],
    [['--port'], "site: option --port <number> argument missing. See 'npm run site -- --help'."],
    [['--port', '13'], 'site: unlucky'],
    ...['-1', '65536', '8e', '0x50', '', '1.5', 'NaN'].map((text): [string[], string] => [
      [`--port=${text}`],
      `--port: expected a whole number from 0 to 65535, got '${text}'.`,
    ]),
  ];
  for (const [args, line] of mistakes) assert.deepEqual(await run(t, ...args), [3, [line]]);
  const [status, [line]] = await run(t, 'extra');
  assert.equal(status, 3);
  assert.match(line, /^site: too many arguments/);
});
