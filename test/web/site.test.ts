/** The site that `npm run site` writes: every link in it leads somewhere, from any sub-path, and it holds what the page fetches. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import sharp from 'sharp';
import { loadEmoji } from '../../data/index.ts';
import { missingChromium, withPage } from '../../tools/browser/chromium.ts';
import type { EmojiWall } from '../../tools/web/assets.ts';
import { firstLoad, firstLoadLimit, gzipSizes } from '../../tools/web/first-load.ts';
import type { Site } from '../../tools/web/site.ts';
import { builtSite } from './built-site.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const site = await builtSite();
const base = '/some/where/';

/** Attributes and CSS addresses that name a file: "docs/a.html: images/b.png leads to no file". */
function brokenLinks(site: Site): string[] {
  const broken: string[] = [];
  for (const [path, content] of site) {
    if (!/\.(html|css)$/.test(path)) continue;
    const text = String(content).replace(/<pre\b.*?<\/pre>|<!--.*?-->/gs, '');
    const page = new URL(base + path.slice(1), 'http://host');
    const named = [...text.matchAll(/\s(?:href|src)="([^"]*)"|url\(["']?([^"')]+)["']?\)/g)].map(([, a, b]) => a ?? b);
    for (const href of named) {
      const { origin, pathname, hash } = new URL(href.replaceAll('&amp;', '&'), page);
      if (origin !== page.origin || pathname === `${base}api/index.html`) continue; // typedoc's own pages are not built here
      const file =
        pathname.startsWith(base) &&
        site.get(decodeURIComponent(pathname.slice(base.length - 1)).replace(/\/$/, '/index.html'));
      if (!file) broken.push(`${path}: ${href} leads to no file`);
      else if (hash && !hash.includes('=') && !String(file).includes(`id="${decodeURIComponent(hash.slice(1))}"`))
        broken.push(`${path}: ${href} leads to no heading`);
    }
  }
  return broken;
}

test('every local link leads to a file, from a sub-path too', () => {
  assert.deepEqual(brokenLinks(site), []);
  const links =
    '<a href="b.html"><a href="/c.html"><img src=\'x\' src="../d.png"><a href="#no"><a href="https://e.org/f">';
  assert.deepEqual(brokenLinks(new Map([['/a.html', links]])), [
    '/a.html: b.html leads to no file',
    '/a.html: /c.html leads to no file',
    '/a.html: ../d.png leads to no file',
    '/a.html: #no leads to no heading',
  ]);
});

test('the code before the first picture stays below its limit', () => {
  const kilobytes = gzipSizes(site, firstLoad(site)).reduce((sum, { size }) => sum + size, 0);
  assert.ok(
    kilobytes > 50 && kilobytes <= firstLoadLimit,
    `${kilobytes.toFixed(1)} kB; npm run web:size lists the files`,
  );
});

test('documentation and reports lead back to the page and to each other', () => {
  const pages = [...site.keys()].filter((path) => /^\/(docs|report)\/.*\.html$/.test(path));
  assert.ok(
    pages.includes('/docs/index.html') &&
      pages.includes('/docs/models.html') &&
      pages.includes('/report/emoji-64.html'),
  );
  for (const page of pages) {
    for (const to of ['index', 'docs/index', 'api/index', 'report/index'])
      assert.ok(String(site.get(page)).includes(`href="../${to}.html"`), `${page} has no link to ${to}.html`);
  }
  const overview = String(site.get('/docs/index.html'));
  assert.match(overview, /<a href="models\.html">docs\/models\.md<\/a>/); // README.md writes docs/models.md
  assert.match(overview, /<img src="images\/emoji-64-reconstructions\.png" alt="[^"]+"/);
  assert.match(overview, /<h2 id="train-on-your-own-images">/);
});

test('models and emoji are as in the repository', async () => {
  const models = JSON.parse(String(site.get('/models/index.json'))) as { models: { file: string }[] };
  for (const { file } of models.models)
    assert.ok(readFileSync(join(root, 'models', file)).equals(site.get(`/models/${file}`) as Uint8Array), file);

  const wall = JSON.parse(String(site.get('/emoji/wall.json'))) as EmojiWall;
  const { width, height } = await sharp(site.get(`/emoji/twemoji-${wall.tile}.webp`)).metadata();
  assert.equal(width, wall.columns * wall.tile);
  assert.equal(height, Math.ceil(wall.icons.length / wall.columns) * wall.tile);
  assert.equal(wall.set.license, 'CC-BY-4.0');
  assert.equal(wall.icons.length, wall.subgroups.length);
  assert.equal(wall.subgroups[wall.icons.indexOf('red-heart')], 'heart');
  const { validation } = await loadEmoji(32); // what trainings hold out
  assert.deepEqual(
    wall.heldOut.map((i) => `twemoji/${wall.icons[i]}`),
    validation.names.filter((name) => name.startsWith('twemoji/')),
  );
});

test('in Chromium, from a sub-path: nothing is missing, too wide for a phone or hard to read', {
  skip: missingChromium ?? false,
}, async () => {
  await withPage(
    async (path) => site.get(path),
    { isolated: false, base },
    async (page) => {
      const wrong: string[] = [];
      page.on('response', (response) => response.status() >= 400 && wrong.push(response.url()));
      page.on('pageerror', (error) => wrong.push(error.message));
      await page.reload({ waitUntil: 'networkidle' });
      const type = await page.evaluate(async () => (await fetch('emoji/twemoji-64.webp')).headers.get('content-type'));
      assert.equal(type, 'image/webp');
      const start = page.url();
      await page.setViewportSize({ width: 390, height: 800 });
      for (const path of ['docs/', 'report/', 'report/emoji-32.html', 'docs/what-to-expect.html']) {
        await page.goto(new URL(path, start).href);
        assert.match(await page.title(), /titok-ts|emoji-32/);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, path);
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
          for (const { impact, id, nodes } of violations)
            if (impact === 'serious' || impact === 'critical')
              wrong.push(`${path}, ${colorScheme}: ${id}, ${nodes[0].html}`);
        }
      }
      assert.deepEqual(wrong, []);
    },
  );
});

/** What `npm run site` prints on stderr, and its exit status. */
function write(out: string): [status: number | null, stderr: string] {
  const args = ['--import', 'tsx', 'tools/web/write.ts', '--out', out];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  return [status, stderr];
}

test('a folder that is not ours is left alone, and one that cannot be written to is named', (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'titok-site-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'letter.txt');
  writeFileSync(file, 'mine');
  const expected = 'site, --out: expected a new or empty folder, or one that this command wrote';
  assert.deepEqual(write(folder), [1, `${expected}, got ${folder} with letter.txt in it.\n`]);
  const [status, stderr] = write(file);
  assert.equal(status, 1);
  assert.ok(stderr.startsWith(`site, --out: expected a folder to write to, got ${file} (EEXIST`), stderr);
  assert.ok(existsSync(file));
});
