/** `npm test` runs every *.test.ts below test/ with Node's test runner; `npm test -- nn` those whose path contains 'nn'. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const wanted = process.argv.slice(2);
if (wanted.some((arg) => arg.startsWith('-'))) {
  console.log(
    'Usage: npm test -- [words...]\n\nRuns the test files whose path contains one of the words; all without any.',
  );
  process.exit(wanted.includes('--help') || wanted.includes('-h') ? 0 : 1);
}
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .sort()
  .map((file) => join(folder, file));
if (files.length === 0) {
  console.error(`npm test: expected test files whose path contains ${wanted.join(' or ')}, got none.`);
  process.exit(1);
}
// Two files at a time, because most of them start worker threads.
const { status } = spawnSync(process.execPath, ['--import', 'tsx', '--test', '--test-concurrency=2', ...files], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
