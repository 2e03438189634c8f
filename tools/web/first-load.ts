/** What the page loads before its first picture. */
import { dirname, join } from 'node:path/posix';
import { gzipSync } from 'node:zlib';
import { parseSync } from 'vite';
import type { Site } from './site.ts';

/** kB (1000 bytes) of gzipped code that the page may load before its first picture. */
export const firstLoadLimit = 150;

/**
 * The code that the page loads before its first picture: index.html, what it names, the modules that these import at once,
 * and the workers that any of them starts, with their imports. A module behind `import()` comes later, and so does a worker
 * that only such a module starts.
 *
 * @returns paths of `site`
 */
export function firstLoad(site: Site): string[] {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path) || !site.has(path)) return;
    found.add(path);
    if (path.endsWith('.css')) return;
    const text = String(site.get(path));
    const named = path.endsWith('.html') ? htmlLinks(text) : [...staticImports(path, text), ...workers(text)];
    for (const to of named) visit(join(dirname(path), to));
  };
  visit('/index.html');
  return [...found];
}

const htmlLinks = (html: string): string[] =>
  [...html.matchAll(/<(?:script|link)\b[^>]*?\s(?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, to]) => to);

const staticImports = (path: string, code: string): string[] =>
  parseSync(path, code).module.staticImports.map(({ moduleRequest }) => moduleRequest.value);

const workers = (code: string): string[] =>
  [...code.matchAll(/\bnew Worker\((?:new URL\()+["'`]([^"'`]+)["'`]/g)].map(([, to]) => to);

/** The gzipped sizes of files in kB (1000 bytes), the largest first. */
export const gzipSizes = (site: Site, paths: readonly string[]): { path: string; size: number }[] =>
  paths.map((path) => ({ path, size: gzipSync(site.get(path)!).length / 1000 })).sort((a, b) => b.size - a.size);
