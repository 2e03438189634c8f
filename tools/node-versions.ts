/**
 * `npm run test:nodes`: the short set of tests on the other Node versions that the package supports, from the npm packages
 * `node@22` and `node@24`, which bring the binaries. They are installed into the system's temporary folder.
 *
 *   npm run test:nodes                  22 and 24, the short set
 *   npm run test:nodes -- 24            one version
 *   npm run test:nodes -- 24 cpu/       one version, test files whose path contains 'cpu/' ('.' for all)
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { runTool } from './command.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What a Node version can break: WebAssembly, threads, files and modules. */
const shortSet = [
  ...['cache', 'memory', 'threads', 'kernels-gemm'].map((name) => `cpu/${name}`),
  ...['checkpoint', 'doors', 'folder', 'hub', 'images', 'lock', 'npz', 'torch-file'].map((name) => `data/${name}`),
  ...['train/resume', 'cli/help'],
];

function run(args: readonly string[]): void {
  const versions = args.filter((arg) => /^\d+$/.test(arg));
  const wanted = args.filter((arg) => !/^\d+$/.test(arg));
  for (const version of versions.length > 0 ? versions : ['22', '24']) {
    const node = installed(version);
    console.log(`# Node ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
    const tests = wanted.length > 0 ? wanted : shortSet;
    const { status } = spawnSync(node, ['--import', 'tsx', 'test/run.ts', ...tests], { cwd: root, stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
}

/** Path of the binary. The package fetches it in an install script, which the project's .npmrc would forbid. */
function installed(version: string): string {
  const folder = join(tmpdir(), `titok-node-${version}`);
  const binary = join(folder, 'node_modules/node/bin/node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts=false', `node@${version}`],
    { cwd: folder, encoding: 'utf8' },
  );
  if (status !== 0 || !existsSync(binary)) throw new Error(`node-versions: expected node@${version}, got ${stderr}`);
  return binary;
}

await runTool(
  new Command('npm run test:nodes --')
    .description('Runs tests on other Node versions, which are installed into the temporary folder of the system.')
    .argument('[words...]', "versions, and parts of test files' paths ('.' for all); without: 22, 24 and the short set")
    .action(run),
);
