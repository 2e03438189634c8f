/** The frame of report.html: one file without scripts, light and dark, that opens without a network. */
import { type Html, html } from './html.ts';

export interface PageOptions {
  /** Seconds after which a browser loads the page again: while a training goes on. */
  readonly reload?: number;
}

/** A whole page. */
export const page = (title: string, body: Html, { reload }: PageOptions = {}): string =>
  `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
${reload !== undefined && html`<meta http-equiv="refresh" content="${reload}">`}
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`.text
  }`;

/** Six colors of about equal weight, for lines on white and on near-black (Okabe and Ito's, without yellow). */
const [light, dark] = [
  ['#0072b2', '#d55e00', '#00835c', '#b4548c', '#7a5c00', '#4a4a9c'],
  ['#56b4e9', '#ff9147', '#2fc497', '#e38fc0', '#d9b13b', '#a3a3f5'],
];

const variables = (values: readonly string[]) => values.map((color, i) => `--c${i}:${color};`).join('');

const style = html`
:root{--page:#fff;--text:#1b1b1b;--soft:#5b5b5b;--line:#dcdcdc;${variables(light)}}
@media (prefers-color-scheme:dark){:root{--page:#141414;--text:#ececec;--soft:#a6a6a6;--line:#3a3a3a;${variables(dark)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:1360px;margin:0 auto;padding:16px}
h1{font-size:1.5rem;margin:.2em 0}
h2{font-size:1.2rem;margin:1.6em 0 .4em;border-bottom:1px solid var(--line)}
p{margin:.4em 0}
.soft{color:var(--soft)}
.warning{border-left:3px solid var(--c1);padding-left:.6em}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr));gap:8px 20px}
figure{margin:8px 0;min-width:0}
figcaption{font-size:.9rem;color:var(--soft)}
figcaption b{color:var(--text)}
svg{width:100%;height:auto;display:block}
svg svg{overflow:hidden}
path{fill:none;stroke-width:1.8;stroke-linejoin:round}
.grid{stroke:var(--line);stroke-width:.7}
.axis{stroke:var(--soft);stroke-width:1}
.tick{fill:var(--soft);font-size:11px}
.train{stroke-width:1.2;opacity:.55}
.train-dot{opacity:.55}
circle{stroke:none}
${Array.from({ length: light.length }, (_, i) => html`path.c${i}{stroke:var(--c${i})}circle.c${i}{fill:var(--c${i})}.key.c${i}{background:var(--c${i})}`)}
.key{display:inline-block;width:1.4em;height:3px;vertical-align:middle;margin-right:.4em}
.key.thin{opacity:.55;height:1.5px}
.legend span+span.entry{margin-left:1.2em}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:8px 20px;align-items:start}
img{max-width:100%;height:auto;display:block;background:#fff}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:3px 12px 3px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}
table.settings td:last-child{white-space:normal;text-align:left;overflow-wrap:anywhere}
code{font:.85em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
summary{cursor:pointer;margin:.6em 0}
`;
