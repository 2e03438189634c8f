/**
 * The programs in README.md and docs/: every ```ts block that imports the package. Other blocks are excerpts. A ```text
 * block after a program is its output.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

export interface Program {
  /** 'docs/adding-an-op.md:12' */
  readonly at: string;
  readonly code: string;
  readonly output: string | undefined;
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** All programs of the documentation. */
export function programsOfDocs(): Program[] {
  const docs = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'));
  return ['README.md', ...docs.map((file) => `docs/${file}`)].flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const blocks = text.matchAll(/^```ts\n((?:(?!^```)[\s\S])*)^```$(?:\n+```text\n((?:(?!^```)[\s\S])*)^```$)?/gm);
    return [...blocks]
      .map(({ index, 1: code, 2: output }) => ({
        at: `${page}:${text.slice(0, index).split('\n').length + 1}`,
        code,
        output,
      }))
      .filter(({ code }) => /from 'titok-ts(\/\w+)?'/.test(code));
  });
}

/** Runs a program with these sources as the package. @throws Error with what it wrote when it fails */
export function run({ at, code }: Program): string {
  const folder = mkdtempSync(join(tmpdir(), 'titok-example-'));
  try {
    const file = join(folder, 'example.mts');
    writeFileSync(
      file,
      code.replace(/ from '([\w-]+)(\/\w+)?'/g, (_, name: string, door = '') =>
        name === 'titok-ts'
          ? ` from '${pathToFileURL(root).href}${door}/index.ts'`
          : ` from '${import.meta.resolve(name + door)}'`,
      ),
    );
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', file], {
      cwd: root,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${at}: ${stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Compiler errors of programs, each with its place in the documentation. */
export function typeErrors(programs: readonly Program[]): string[] {
  const { options } = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.json'),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: () => {},
    },
  )!;
  const files = new Map(programs.map((program, i) => [join(root, `example-${i}.ts`), program]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name)?.code ?? readFile(name);
  const compiled = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([name, { at }]) => {
    const source = compiled.getSourceFile(name);
    return [...compiled.getSyntacticDiagnostics(source), ...compiled.getSemanticDiagnostics(source)].map(
      ({ start = 0, messageText }) => {
        const [page, line] = at.split(':');
        const inside = source!.getLineAndCharacterOfPosition(start).line;
        return `${page}:${Number(line) + inside}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
      },
    );
  });
}
