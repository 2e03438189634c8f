/** The files of the site, made from the sources here. */
import { readFile } from 'node:fs/promises';
import { bundleAll } from '../browser/bundle.ts';

const here = (name: string): URL => new URL(`../../web/${name}`, import.meta.url);

/** Files by path: '/index.html', '/main.js', '/worker.js', '/style.css' and the chunks that scripts share. */
export async function buildSite(minify = false): Promise<Map<string, string>> {
  const bundled = await bundleAll([here('main.ts'), here('worker.ts'), here('style.css')], minify);
  const files = new Map([['/index.html', await readFile(here('index.html'), 'utf8')]]);
  for (const [name, text] of bundled) files.set(`/${name}`, text);
  return files;
}
