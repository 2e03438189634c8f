/** The direction of imports, type imports included: core ← nn ← titok, maskgit, diffusion ← train ← studies ← programs; data, eval on core. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What the files of a folder may import besides each other; '' is the project's own index.ts. Nobody imports a program. */
const library = ['core', 'nn', 'titok', 'maskgit', 'diffusion', 'data', 'eval', 'train'];
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  nn: ['core'],
  titok: ['core', 'nn'],
  maskgit: ['core', 'nn'],
  diffusion: ['core', 'nn'],
  data: ['core'],
  eval: ['core'],
  train: ['core', 'nn', 'titok', 'maskgit', 'diffusion', 'data', 'eval'],
  '': ['core', 'nn', 'titok', 'maskgit'],
  studies: library,
  http: [],
  cli: [...library, 'studies', 'http'],
  web: library,
  tools: [...library, 'http', 'web'], // which it builds
  bench: library,
};
/**
 * Doors beside a folder's index: for browsers, where the index brings Node's file system; to write WebAssembly; to read models
 * with little code; and to compute what the page begins with and the files that it fetches.
 */
const sideDoors = ['core/wasm.ts', 'data/browser.ts', 'train/browser.ts', 'train/model-bytes.ts'];
const pageDoors = ['web/bake.ts', 'web/link.ts'];

interface Import {
  readonly from: string;
  readonly to: string;
  /** Gone after compilation: `import type`, or only names marked `type`. */
  readonly typeOnly: boolean;
  /** Loaded when it is called for: `import('…')`. */
  readonly late: boolean;
}

const folderOf = (path: string): string => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '');
const files = ['index.ts', ...Object.keys(allowed).flatMap((folder) => (folder ? sources(folder) : []))];
const imports = files.flatMap(importsOf);

function sources(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !file.includes('node_modules'))
    .map((file) => posix.join(folder, file.replaceAll('\\', '/')));
}

/** The imports and re-exports of a file that lead to files of the project. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found: Import[] = [];
  const add = (path: string, typeOnly: boolean, late: boolean) => {
    if (path.startsWith('.')) found.push({ from: file, to: posix.join(posix.dirname(file), path), typeOnly, late });
  };
  for (const [, type, names, path] of text.matchAll(/^(?:im|ex)port\s+(type\s+)?([^;'"=()]*?)\s*from\s+'([^']+)'/gm)) {
    const listed = /^\{([^}]*)\}$/
      .exec(names.trim())?.[1]
      ?.split(',')
      .map((name) => name.trim())
      .filter(Boolean);
    add(path, type !== undefined || (listed?.every((name) => name.startsWith('type ')) ?? false), false);
  }
  for (const [, path] of text.matchAll(/^import\s+'([^']+)'/gm)) add(path, false, false);
  for (const [, type, path] of text.matchAll(/(typeof\s+)?\bimport\(\s*'([^']+)'\s*\)/g)) add(path, !!type, !type);
  return found;
}

const show = ({ from, to }: Import): string => `${from} imports ${to}`;

test('the scan sees what is there', () => {
  assert.ok(imports.length > 300, `expected hundreds of imports, got ${imports.length}`);
  for (const one of imports) assert.ok(existsSync(join(root, one.to)), `${show(one)}, which is not there`);
  const of = (file: string) => imports.filter(({ from }) => from === file);
  assert.ok(of('nn/transformer.ts').some(({ to, typeOnly }) => to === 'core/index.ts' && !typeOnly));
  assert.ok(of('core/op.ts').some(({ to, typeOnly }) => to === 'core/formula.ts' && typeOnly));
  assert.ok(imports.some(({ to, late }) => to === 'core/gpu/device.ts' && late));
});

test('imports point downwards', () => {
  const wrong = imports.filter(({ from, to }) => {
    const [a, b] = [folderOf(from), folderOf(to)];
    return a !== b && !allowed[a].includes(b);
  });
  assert.deepEqual(wrong.map(show), []);
});

test('a folder is entered by its index.ts', () => {
  const wrong = imports.filter(({ from, to }) => {
    const [a, b] = [folderOf(from), folderOf(to)];
    return a !== b && to !== `${b}/index.ts` && ![...sideDoors, ...pageDoors].includes(to);
  });
  assert.deepEqual(wrong.map(show), []);
});

test('the door for browsers leads to no module of Node and no package but zod', () => {
  const seen = new Set<string>();
  const walk = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { to, typeOnly, late } of imports.filter(({ from }) => from === file)) if (!typeOnly && !late) walk(to);
  };
  for (const door of [...sideDoors, 'index.ts', 'eval/index.ts']) walk(door);
  const bare = /^import\s+(?!type\b)(?:[^;'"=()]*?\sfrom\s+)?'(?!\.|zod')[^']+'/m; // a package, imported at once; zod runs anywhere
  assert.deepEqual(
    [...seen].filter((file) => bare.test(readFileSync(join(root, file), 'utf8'))),
    [],
  );
});

for (const folder of Object.keys(allowed).filter(Boolean)) {
  test(`${folder} has no import cycle, type imports included`, () => {
    const next = new Map<string, string[]>();
    for (const { from, to, late } of imports) {
      if (late || folderOf(from) !== folder) continue;
      next.set(from, [...(next.get(from) ?? []), to]);
    }
    assert.deepEqual(cycles(next), []);
  });
}

/** Every way back to where a depth-first walk already is, as 'a → b → a'. */
function cycles(next: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const finished = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const back = path.indexOf(file);
    if (back >= 0) found.push([...path.slice(back), file].join(' → '));
    if (back >= 0 || finished.has(file)) return;
    for (const to of next.get(file) ?? []) walk(to, [...path, file]);
    finished.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  return found;
}

test('the walk finds cycles', () => {
  const graph = { a: ['b'], b: ['c', 'd'], c: ['a'], d: [] };
  assert.deepEqual(cycles(new Map(Object.entries(graph))), ['a → b → c → a']);
});
