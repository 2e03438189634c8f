/** The site for tests: the one that `npm test` built for all files, or one built here. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { buildSite, type Site } from '../../tools/web/site.ts';

/** The environment variable with the folder of a site that is built. */
export const siteFolder = 'TITOK_TEST_SITE';

export async function builtSite(): Promise<Site> {
  const folder = process.env[siteFolder];
  if (!folder) return buildSite();
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  return new Map(paths.map((path) => [path.slice(folder.length).replaceAll(sep, '/'), readFileSync(path)]));
}
