/** `npm run web:size`: how much code the page loads before its first picture, gzipped, and how much later. */
import { Command } from 'commander';
import { runTool } from '../command.ts';
import { firstLoad, firstLoadLimit, gzipSizes } from './first-load.ts';
import { buildSite, type Site } from './site.ts';

async function print(): Promise<void> {
  const site = await buildSite();
  const first = firstLoad(site);
  const total = list(site, 'Before the first picture', first);
  const code = [...site.keys()].filter((path) => /^\/assets\/.*\.(js|css)$/.test(path));
  list(
    site,
    'Later',
    code.filter((path) => !first.includes(path)),
  );
  if (total <= firstLoadLimit) return;
  console.error(`web:size: expected at most ${firstLoadLimit} kB before the first picture, got ${total.toFixed(1)}.`);
  process.exitCode = 1;
}

/** Prints the files with their gzipped sizes, the largest first. Returns the sum in kB. */
function list(site: Site, title: string, paths: readonly string[]): number {
  const sizes = gzipSizes(site, paths);
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  console.log(`${title}: ${total.toFixed(1)} kB gzip`);
  for (const { path, size } of sizes) console.log(`  ${size.toFixed(1).padStart(7)}  ${path.slice(1)}`);
  return total;
}

await runTool(
  new Command('npm run web:size --')
    .description(
      `Prints how much code the page loads before its first picture, which may be ${firstLoadLimit} kB gzipped, and later.`,
    )
    .allowExcessArguments(false)
    .action(print),
);
