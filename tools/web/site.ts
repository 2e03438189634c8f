/** The files of the site, made from the sources here. */
import { build } from 'vite';
import { assetFiles } from './assets.ts';
import { pageConfig } from './vite.ts';

/** Files by path: '/index.html', '/assets/index-Cq8x1.js', '/models/index.json'. */
export type Site = ReadonlyMap<string, string | Uint8Array>;

let built: Promise<Site> | undefined;
/** Builds the site once per process, in memory. */
export const buildSite = (): Promise<Site> => (built ??= buildOnce());

async function buildOnce(): Promise<Site> {
  const config = pageConfig(await assetFiles());
  const result = await build({ ...config, build: { ...config.build, write: false } });
  if (!('output' in result)) throw new Error('site: expected one build, got several or a watcher.');
  return new Map(
    result.output.map((file) => [`/${file.fileName}`, file.type === 'chunk' ? file.code : file.source] as const),
  );
}
