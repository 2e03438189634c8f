/**
 * `npm run docs:api`: the API reference of every door, in docs/api/. Fails when an exported name has no docstring, or a
 * docstring speaks of what is not there.
 */
import { fileURLToPath } from 'node:url';
import {
  Application,
  Converter,
  DeclarationReflection,
  JSX,
  type ProjectReflection,
  ReflectionKind,
  TSConfigReader,
} from 'typedoc';

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const doors = [
  'index.ts',
  ...['core', 'nn', 'titok', 'maskgit', 'diffusion', 'data', 'eval', 'train'].map((f) => `${f}/index.ts`),
];

/**
 * Writes the reference.
 *
 * @param links  [address as seen from the folder, label] of links above each page
 * @returns whether every name is documented; what is wrong is printed
 */
export async function writeReference(
  folder: string,
  links: readonly (readonly [string, string])[] = [],
): Promise<boolean> {
  const app = await Application.bootstrap(
    {
      name: 'titok-ts',
      entryPoints: doors.map(path),
      tsconfig: path('tsconfig.json'),
      skipErrorChecking: true, // npm run typecheck does it
      readme: 'none',
      excludePrivate: true,
      disableSources: true,
      validation: { notDocumented: true, notExported: false, invalidLink: true },
      requiredToBeDocumented: ['Function', 'Class', 'Interface', 'TypeAlias', 'Variable'],
    },
    [new TSConfigReader()],
  );
  if (links.length > 0)
    app.renderer.hooks.on('body.begin', ({ relativeURL }) =>
      JSX.createElement(
        'nav',
        { 'aria-label': 'Site', style: 'padding: 0.5rem 1rem; display: flex; flex-wrap: wrap; gap: 0 1.2rem' },
        links.map(([href, label]) => JSX.createElement('a', { href: relativeURL(href) }, label)),
      ),
    );
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => documentMethods(project));
  const project = await app.convert();
  if (project) {
    app.validate(project);
    await app.generateDocs(project, folder);
  }
  return !app.logger.hasErrors() && !app.logger.hasWarnings();
}

/** Gives the methods of Tensor, which are the ops without their first argument, the docstrings of the ops. */
function documentMethods(project: ProjectReflection): void {
  const ops = new Map(
    project
      .getReflectionsByKind(ReflectionKind.Function | ReflectionKind.Variable)
      .filter((reflection) => reflection instanceof DeclarationReflection)
      .map((op) => [op.name, op.signatures?.[0].comment ?? op.comment]),
  );
  const tensor = project.getReflectionsByKind(ReflectionKind.Class).find(({ name }) => name === 'Tensor');
  tensor?.traverse((method) => {
    const comment = ops.get(method.name)?.clone();
    if (!(method instanceof DeclarationReflection) || method.type?.type !== 'reflection' || !comment) return;
    comment.removeTags('@param'); // whose names are the op's
    method.comment = comment;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !(await writeReference(path('docs/api'))))
  process.exitCode = 1;
