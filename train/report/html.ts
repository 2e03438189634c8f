/** Text as HTML. */

/** A piece of HTML. `html` makes it, so text that was not escaped does not get into a page. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

type Part = string | number | Html | readonly (Html | false)[] | false | undefined;

/** html`<b>${text}</b>`: what is inserted is escaped, unless it is HTML already. Nothing for false and undefined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((page, piece, i) => page + htmlOf(parts[i - 1]) + piece));
}

function htmlOf(part: Part): string {
  if (part === false || part === undefined) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(htmlOf).join('');
  return String(part).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
