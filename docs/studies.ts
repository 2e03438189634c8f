/** `npm run docs:studies`: writes the verdicts of all pages in docs/studies/ between the two markers in README.md. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { overviewOf, type Results, readStudyResults, type Study, studies } from '../studies/index.ts';
import { runTool } from '../tools/command.ts';
import { withResults } from './results.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = 'docs/studies';

/** The studies that have a page, in the order of `titok study --list`, with their results. */
export function committedStudies(): (readonly [Study, Results])[] {
  const at = join(root, folder);
  const files = existsSync(at) ? readdirSync(at).filter((file) => file.endsWith('.json')) : []; // none until one was run
  const unknown = files.find((file) => !studies[file.replace('.json', '')]);
  if (unknown !== undefined) throw new Error(`docs:studies: expected results of studies, got ${folder}/${unknown}.`);
  return Object.values(studies).flatMap((study) => {
    const results = readStudyResults(join(at, `${study.name}.json`));
    return results ? [[study, results] as const] : [];
  });
}

/** README.md with the verdicts of these studies. */
export const withStudies = (page: string, all: readonly (readonly [Study, Results])[]): string =>
  withResults(page, overviewOf(all, folder), { begin: '<!-- studies -->', end: '<!-- /studies -->' });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runTool(
    new Command('npm run docs:studies --')
      .description('Writes the verdicts of all studies into README.md.')
      .action(() => {
        const path = join(root, 'README.md');
        writeFileSync(path, withStudies(readFileSync(path, 'utf8'), committedStudies()));
      }),
  );
}
