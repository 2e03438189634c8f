/** What is wrong with the package as npm would publish it. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * None at best: what publint and are-the-types-wrong find, files that are not the library's, and imports of what npm would not install.
 *
 * @param unpacked  the folder that the tarball becomes
 */
export async function problemsOf(tarball: string, unpacked: string): Promise<string[]> {
  const problems: string[] = [];

  const { messages, pkg } = await publint({ pkgDir: unpacked, pack: false });
  problems.push(...messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`));
  // ESM only: Node has had import() in CommonJS since version 12 and require() of modules since 22.12. node10 is TypeScript's
  // old resolution, which knows no exports. Neither is promised, and the profile leaves both out.
  const attw = [join(root, 'node_modules/.bin/attw'), tarball, '--profile', 'esm-only', '--format', 'ascii'];
  const { status, stdout, stderr } = spawnSync(process.execPath, attw, { encoding: 'utf8' });
  if (status !== 0) problems.push(`attw:\n${stdout}${stderr}`);

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
    outdir: '/', // nothing is written
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
  return problems;
}
