/** Reads official-shapes.txt: names and shapes of the published state dicts. */
import { readFileSync } from 'node:fs';

/** Sections by name; entries in file order. */
export function officialShapes(): Map<string, [name: string, shape: number[]][]> {
  const sections = new Map<string, [string, number[]][]>();
  let entries: [string, number[]][] = [];
  let repeated: [string, number[]][] = []; // lines of one block, waiting for their range to end
  let range = '';
  const flush = () => {
    const [, first, last] = /^\{(\d+)\.\.(\d+)\}$/.exec(range) ?? [];
    for (let i = Number(first); i <= Number(last); i++) {
      for (const [name, shape] of repeated) entries.push([name.replace(range, String(i)), shape]);
    }
    [repeated, range] = [[], ''];
  };
  for (const line of readFileSync(new URL('official-shapes.txt', import.meta.url), 'utf8').split('\n')) {
    const found = /\{\d+\.\.\d+\}/.exec(line)?.[0] ?? '';
    if (found !== range) flush();
    if (line.startsWith('== ')) {
      entries = [];
      sections.set(line.slice(3), entries);
    }
    const [, name, shape] = /^(\S+) (\[[\d, ]*\])$/.exec(line) ?? [];
    if (!name || !shape) continue;
    range = found;
    (found ? repeated : entries).push([name, JSON.parse(shape) as number[]]);
  }
  return sections;
}
