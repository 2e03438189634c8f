/**
 * The site as a folder of static files, for any web server and any sub-path.
 *
 *   npm run site                    writes site/
 *   npm run site -- --out public
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import { writeReference } from '../api-reference.ts';
import { runTool } from '../command.ts';
import { siteParts } from './docs.ts';
import { buildSite, writeSite } from './site.ts';

async function write({ out }: { out: string }): Promise<void> {
  try {
    mkdirSync(out, { recursive: true });
    // An earlier site is emptied, because names in it change with their content; nobody else's folder is.
    const found = readdirSync(out);
    if (found.length > 0 && !existsSync(join(out, 'emoji/wall.json')))
      throw new OptionError(
        `site, --out: expected a new or empty folder, or one that this command wrote, got ${out} with ${found[0]} in it.`,
      );
    const site = await buildSite();
    for (const name of found) rmSync(join(out, name), { recursive: true });
    writeSite(out, site);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new OptionError(`site, --out: expected a folder to write to, got ${out} (${(error as Error).message}).`);
  }
  if (!(await writeReference(join(out, 'api'), siteParts))) process.exitCode = 1;
  console.log(
    `${out}: written. Any web server serves it; with Cross-Origin-Opener-Policy: same-origin and ` +
      'Cross-Origin-Embedder-Policy: require-corp the cpu device has more than one thread.',
  );
}

await runTool(
  new Command('npm run site --')
    .description('Writes the site as static files, for any web server and any sub-path.')
    .option('--out <folder>', 'where to', 'site')
    .allowExcessArguments(false)
    .action(write),
);
