/** Repeated keys in JSON: `JSON.parse` silently keeps the last one, which a hostile header may exploit. */

/** The first key that occurs twice in one object of a valid JSON text, or undefined. */
export function duplicateKey(json: string): string | undefined {
  const open: (Set<string> | null)[] = []; // the keys seen in each open object; null for an array
  for (const [token, quoted, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (quoted !== undefined && colon !== undefined) {
      const key: string = JSON.parse(quoted);
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
