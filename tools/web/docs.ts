/**
 * The texts of the site: docs/ from README.md, CONTRIBUTING.md and docs/*.md, and report/ from docs/reports/*.html.
 *
 *   README.md             docs/index.html
 *   CONTRIBUTING.md       docs/contributing.html
 *   docs/models.md        docs/models.html
 *   docs/images/*.png     docs/images/*.png
 *   docs/studies/a.md     docs/study-a.html, and its charts, pictures and figures beside it
 *   NOTICE, LICENSE       docs/NOTICE.txt, docs/LICENSE.txt
 *   docs/reports/*.html   report/*.html
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { Marked } from 'marked';
import type { SiteFiles } from './assets.ts';

const at = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const text = (path: string): Promise<string> => readFile(at(path), 'utf8');

/** docs/ and report/, each page made when it is asked for. */
export async function documentFiles(): Promise<SiteFiles> {
  const files = new Map<string, () => Promise<string | Uint8Array>>();
  const studies = existsSync(at('docs/studies'))
    ? (await names('docs/studies')).map((name) => `docs/studies/${name}`)
    : []; // none until one was run
  const docs = (await names('docs', '.md')).map((name) => `docs/${name}`);
  const sources = ['README.md', 'CONTRIBUTING.md', ...docs, ...studies.filter((path) => path.endsWith('.md'))];
  const pages = await Promise.all(sources.map(async (path) => ({ path, title: titleOf(path, await text(path)) })));
  for (const page of pages) {
    files.set(`/${targets(page.path)}`, async () => markdownPage(page, pages, await text(page.path)));
  }
  for (const name of await names('docs/images'))
    files.set(`/docs/images/${name}`, () => readFile(at(`docs/images/${name}`)));
  for (const path of studies.filter((path) => !path.endsWith('.md')))
    files.set(`/${targets(path)}`, () => readFile(at(path)));
  for (const name of ['NOTICE', 'LICENSE']) files.set(`/docs/${name}.txt`, () => text(name));
  files.set('/docs/style.css', () => readFile(new URL('docs.css', import.meta.url), 'utf8'));

  const reports = await names('docs/reports', '.html');
  files.set('/report/index.html', () => reportList(reports.map((name) => name.replace('.html', ''))));
  for (const name of reports) files.set(`/report/${name}`, async () => withLinks(await text(`docs/reports/${name}`)));
  return files;
}

const names = async (folder: string, end = ''): Promise<string[]> =>
  (await readdir(at(folder))).filter((name) => name.endsWith(end)).sort();

/** Where a file of the repository is in the site: 'docs/models.md' → 'docs/models.html'; others are not in it. */
function targets(path: string): string | undefined {
  if (path === 'README.md') return 'docs/index.html';
  if (path === 'CONTRIBUTING.md') return 'docs/contributing.html';
  if (path === 'NOTICE' || path === 'LICENSE') return `docs/${path}.txt`;
  if (path.startsWith('docs/images/')) return path;
  if (/^docs\/[^/]+\.md$/.test(path)) return path.replace(/md$/, 'html');
  const study = /^docs\/studies\/([^/]+)\.(\w+)$/.exec(path);
  if (study) return `docs/study-${study[1]}.${study[2] === 'md' ? 'html' : study[2]}`;
  return undefined;
}

interface Page {
  readonly path: string;
  readonly title: string;
}

const titleOf = (path: string, markdown: string): string =>
  path === 'README.md' ? 'Overview' : (/^# (.+)$/m.exec(markdown)?.[1] ?? path).replaceAll('`', '');

/** A page of docs/. Links to files that the site does not have stay as they are; the link check of the tests finds them. */
function markdownPage({ path, title }: Page, pages: readonly Page[], markdown: string): string {
  const relink = (href: string): string => {
    if (/^(#|[a-z]+:)/.test(href)) return href;
    const [file, fragment] = href.split('#');
    const target = targets(posix.join(posix.dirname(path), file));
    return target ? posix.relative('docs', target) + (fragment ? `#${fragment}` : '') : href;
  };
  const used = new Map<string, number>();
  const marked = new Marked({
    walkTokens: (token) => {
      if (token.type === 'link' || token.type === 'image') token.href = relink(token.href);
    },
    renderer: {
      heading({ tokens, depth, text }) {
        return `<h${depth} id="${slug(text, used)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
    },
  });
  const body = marked
    .parse(markdown, { async: false })
    .replaceAll('<pre>', '<pre tabindex="0">') // what scrolls must have the focus for the arrow keys
    .replaceAll('<table>', '<div class="scroll" tabindex="0"><table>')
    .replaceAll('</table>', '</table></div>');
  const links = pages.map((page) => {
    const href = posix.relative('docs', targets(page.path)!);
    return `<li><a href="${href}"${page.path === path ? ' aria-current="page"' : ''}>${escaped(page.title)}</a></li>`;
  });
  return frame(
    `${title} – titok-ts`,
    `<main>${body}</main>\n<nav class="pages" aria-label="Pages"><ul>${links.join('')}</ul></nav>`,
  );
}

/** The id of a heading, as GitHub makes it: 'Train on your own images' → 'train-on-your-own-images'. */
function slug(heading: string, used: Map<string, number>): string {
  const base = heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
  const before = used.get(base) ?? 0;
  used.set(base, before + 1);
  return before === 0 ? base : `${base}-${before}`;
}

/** report/index.html: the reports of the models in the box. */
async function reportList(models: readonly string[]): Promise<string> {
  const box = JSON.parse(await text('models/index.json')) as { models: { name: string; about: string }[] };
  const items = models.map((model) => {
    const about = box.models.find(({ name }) => name === model)?.about;
    return `<h2><a href="${model}.html">${model}</a></h2>
<p>${about ? `${escaped(about)}. ` : ''}<a href="${model}.html">Curves, results and settings of its training</a></p>
<img src="../docs/images/${model}-reconstructions.png" alt="Held-out emoji, and what ${model} makes of them">`;
  });
  const intro = '<p>How the models of this site were trained: what the training measured, update by update.</p>';
  return frame('Training reports – titok-ts', `<main><h1>Training reports</h1>${intro}${items.join('\n')}</main>`);
}

/** A report with links to the rest of the site above it. */
const withLinks = (report: string): string =>
  report.replace('<body>', `<body>\n<nav aria-label="Site" style="padding:16px 16px 0">${siteLinks.join(' · ')}</nav>`);

/** From a folder of the site to its parts: address and name. */
export const siteParts = [
  ['../index.html', 'Playground'],
  ['../docs/index.html', 'Documentation'],
  ['../api/index.html', 'API reference'],
  ['../report/index.html', 'Training reports'],
] as const;

const siteLinks = siteParts.map(([href, label]) => `<a href="${href}">${label}</a>`);

const frame = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="../docs/style.css">
</head>
<body>
<nav class="site" aria-label="Site">${siteLinks.join('\n')}</nav>
<div class="frame">
${body}
</div>
</body>
</html>
`;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
