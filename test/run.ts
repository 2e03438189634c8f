/** `npm test` runs every *.test.ts below test/ with Node's test runner; `npm test -- nn` those whose path contains 'nn'. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSite, writeSite } from '../tools/web/site.ts';
import { siteFolder } from './web/built-site.ts';

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
const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' }; // tests compare what commands print
delete env['FORCE_COLOR'];
const site = mkdtempSync(join(tmpdir(), 'titok-site-'));
try {
  if (files.filter((file) => file.includes('web')).length > 1) {
    writeSite(site, await buildSite()); // once for all files
    env[siteFolder] = site;
  }
  // Three files at a time: most of them start worker threads, or wait for a browser. A file that hangs fails, and is named.
  const options = ['--import', 'tsx', '--test', '--test-concurrency=3', '--test-timeout=600000'];
  const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: 'inherit', env });
  process.exitCode = status ?? 1;
} finally {
  rmSync(site, { recursive: true, force: true });
}
