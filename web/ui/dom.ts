/** Elements in one call. */

type Properties = Readonly<Record<string, string | number | boolean | undefined | ((event: never) => void)>>;
export type Child = Node | string;

/**
 * An element: functions become listeners ('click'), true and false set and leave out an attribute, the rest are attributes.
 *
 *   h('button', { class: 'chip', click: () => pick(3), 'aria-pressed': 'true' }, '117')
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(name, value as EventListener);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, `${value}`);
  }
  element.append(...children);
  return element;
}

/** A button with a label. */
export const button = (label: string, click: () => void, properties: Properties = {}): HTMLButtonElement =>
  h('button', { type: 'button', click, ...properties }, label);

/** Replaces what is in an element. A focus in there stays at its place. */
export function refill(element: HTMLElement, children: readonly HTMLElement[]): void {
  const place = [...element.children].indexOf(document.activeElement!);
  element.replaceChildren(...children);
  if (place >= 0) children[Math.min(place, children.length - 1)]?.focus({ preventScroll: true });
}

/**
 * For changes that hide or disable buttons of a section. A button that loses the focus so has it again when it can be pressed; of one
 * that is hidden it goes to the first button of the row. Otherwise Enter and Space would reach nothing.
 */
export function focusKeeper(section: HTMLElement): (change: () => void) => void {
  let lost: HTMLElement | undefined;
  return (change) => {
    const focused = document.activeElement as HTMLElement | null;
    if (focused !== document.body) lost = undefined; // it went elsewhere
    change();
    if (focused && section.contains(focused) && !canBePressed(focused)) lost = focused;
    if (!lost) return;
    const heir = isHidden(lost)
      ? [...(lost.closest('.row') ?? section).querySelectorAll('button')].find((b) => !isHidden(b))
      : lost;
    if (!heir || !canBePressed(heir)) return;
    heir.focus({ preventScroll: true });
    lost = undefined;
  };
}
const isHidden = (element: Element): boolean => element.closest('[hidden]') !== null;
const canBePressed = (element: Element): boolean => !isHidden(element) && !element.matches(':disabled');

/** A range with its label and its value beside it. `input` hears every change. */
export function slider(
  label: string,
  { min, max, step = 1, value }: { min: number; max: number; step?: number; value: number },
  input: (value: number) => void,
  show: (value: number) => string = String,
): { element: HTMLLabelElement; set(value: number): void; limits(min: number, max: number): void } {
  const shown = h('span', { class: 'value', 'aria-hidden': 'true' }); // the range itself says it
  const range = h('input', {
    type: 'range',
    min,
    max,
    step,
    value,
    input: () => {
      say(range.valueAsNumber);
      input(range.valueAsNumber);
    },
  });
  const say = (value: number): void => {
    shown.textContent = range.ariaValueText = show(value);
  };
  say(value);
  return {
    element: h('label', { class: 'slider' }, h('span', {}, label), range, shown),
    set(value) {
      range.valueAsNumber = value;
      say(value);
    },
    limits(min, max) {
      range.min = `${min}`;
      range.max = `${max}`;
    },
  };
}

/** A labeled choice. */
export function choice(
  label: string,
  options: readonly (readonly [value: string, text: string])[],
  value: string,
  change: (value: string) => void,
): { element: HTMLLabelElement; select: HTMLSelectElement } {
  const select = h(
    'select',
    { 'aria-label': label, change: () => change(select.value) },
    ...options.map(([value, text]) => h('option', { value }, text)),
  );
  select.value = value;
  return { element: h('label', { class: 'choice' }, h('span', {}, label), select), select };
}
