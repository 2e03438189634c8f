/** A choice among many names, which finds one from a part of it. */
import { h } from './dom.ts';

export interface ClassChoice {
  readonly element: HTMLLabelElement;
  /** Shows another choice, perhaps of other names. */
  set(names: readonly string[], name: string): void;
}

/** A field with a list. `change` hears a name when one was chosen, or typed in part: the first that has it. */
export function classChoice(
  label: string,
  names: readonly string[],
  words: (name: string) => string,
  name: string,
  change: (name: string) => void,
): ClassChoice {
  let [known, chosen] = [names, name];
  const list = h('datalist', { id: `list-${label.toLowerCase()}` });
  const field = h('input', {
    list: list.id,
    value: words(name),
    focus: () => field.select(),
    change: () => {
      const text = field.value.trim().toLowerCase();
      const found =
        known.find((name) => words(name) === text) ?? known.find((name) => text && words(name).includes(text));
      field.value = words(found ?? chosen);
      if (!found || found === chosen) return;
      chosen = found;
      change(found);
    },
  });
  const fill = () => list.replaceChildren(...known.map((name) => h('option', { value: words(name) })));
  fill();
  return {
    element: h('label', { class: 'choice' }, h('span', {}, label), field, list),
    set(names, name) {
      if (names !== known) {
        known = names;
        fill();
      }
      if (name !== chosen) field.value = words(name);
      chosen = name;
    },
  };
}
