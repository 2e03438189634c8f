/**
 * `npm run check:package`: builds and packs the package as npm would publish it, and checks the tarball: publint and
 * are-the-types-wrong find nothing, nothing but the library is in it, and it imports nothing that npm would not install.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'titok-package-'));
const problems: string[] = [];
try {
  run('npm', 'run', '--silent', 'build'); // not by prepack: .npmrc forbids install scripts, and with them this one
  run('npm', 'pack', '--silent', '--pack-destination', folder);
  const tarball = join(folder, readdirSync(folder)[0]);
  run('tar', '-xzf', tarball, '-C', folder);
  const unpacked = join(folder, 'package');

  const { messages, pkg } = await publint({ pkgDir: unpacked, pack: false });
  problems.push(...messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`));
  // ESM only: Node has had import() in CommonJS since version 12 and require() of modules since 22.12. node10 is TypeScript's
  // old resolution, which knows no exports. Neither is promised, and the profile leaves both out.
  run('node_modules/.bin/attw', tarball, '--profile', 'esm-only', '--format', 'ascii');

  const files = readdirSync(unpacked, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(unpacked.length + 1));
  const expected =
    /^(LICENSE|NOTICE|README\.md|package\.json|docs\/[^/]+\.md|dist\/(browser|core|nn|titok|maskgit|diffusion|data|models|eval|train|studies|http|cli|web)\/.+|dist\/index\.(js|d\.ts))$/;
  for (const file of files.filter((file) => !expected.test(file))) problems.push(`in the tarball: ${file}`);

  const { dependencies, peerDependencies } = pkg as { dependencies: object; peerDependencies: object };
  const installed = new Set(Object.keys({ ...dependencies, ...peerDependencies }));
  const { metafile } = await build({
    entryPoints: files.filter((file) => file.endsWith('.js')).map((file) => join(unpacked, file)),
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    outdir: join(folder, 'out'),
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  for (const [file, { imports }] of Object.entries(metafile.inputs)) {
    for (const { path, external } of imports) {
      const name = path.split('/', path.startsWith('@') ? 2 : 1).join('/');
      if (external && !isBuiltin(path) && !installed.has(name))
        problems.push(`${file}: imports ${name}, not a dependency`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

function run(command: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) problems.push(`${command} ${args.join(' ')}:\n${stdout}${stderr}`);
}
