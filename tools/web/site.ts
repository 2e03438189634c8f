/** The files of the site, made from the sources here; the API reference, which takes a while, is not among them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'vite';
import { assetFiles, type SiteFiles } from './assets.ts';
import { documentFiles } from './docs.ts';
import { pageConfig } from './vite.ts';

/** Files by path: '/index.html', '/assets/index-Cq8x1.js', '/models/index.json'. */
export type Site = ReadonlyMap<string, string | Uint8Array>;

let built: Promise<Site> | undefined;
/** Builds the site once per process, in memory. */
export const buildSite = (): Promise<Site> => (built ??= buildOnce());

/** What stands beside the page: models, emoji, documentation and training reports. */
export const filesBeside = async (): Promise<SiteFiles> =>
  new Map([...(await assetFiles()), ...(await documentFiles())]);

const buildOnce = async (): Promise<Site> => buildPage(await filesBeside());

/** Builds the page with some files beside it. */
export async function buildPage(beside: SiteFiles): Promise<Site> {
  const config = pageConfig(beside);
  const result = await build({ ...config, build: { ...config.build, write: false } });
  if (!('output' in result)) throw new Error('site: expected one build, got several or a watcher.');
  return new Map(
    result.output.map((file) => [`/${file.fileName}`, file.type === 'chunk' ? file.code : file.source] as const),
  );
}

/** Writes a site into a folder. */
export function writeSite(folder: string, site: Site): void {
  for (const [path, content] of site) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}
