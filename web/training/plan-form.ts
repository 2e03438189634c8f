/** What to train: the fields of a plan, and pictures of the visitor's own. */
import type { Pixels } from '../engine/model.ts';
import { button, choice, h } from '../ui/dom.ts';
import { readPicture } from '../ui/own-pictures.ts';
import { kinds } from './kinds.ts';
import type { Kind, Plan } from './messages.ts';
import { imageSize } from './shapes.ts';
import { deviceNames } from './trainer.ts';

const mostSteps = 20_000;
const mostOwn = 2000; // pictures

export interface PlanForm {
  readonly element: HTMLFieldSetElement;
  readonly kind: Kind;
  /** Pictures of the visitor's own; none: drawn shapes. */
  readonly own: readonly Pixels[];
  /** A name that `openDevice` knows. */
  readonly device: string;
  /** What the fields say; undefined when a number is out of its range, which the browser then says. */
  read(): Plan | undefined;
  /** Makes the fields say what is trained. */
  show(plan: Plan): void;
  /** Takes the pictures among files. @returns what is wrong with some of them, in words for visitors */
  takePictures(files: readonly File[]): Promise<string | undefined>;
  /** No field can be changed while something is trained. */
  lock(locked: boolean): void;
}

/** What the form tells. */
interface PlanListeners {
  /** Another kind was chosen. */
  kind(): void;
  /** Other pictures are learned from. */
  pictures(): void;
  /** The visitor chose files. */
  take(files: readonly File[]): void;
}

export function planForm(tell: PlanListeners): PlanForm {
  let kind: Kind = 'generator';
  let own: readonly Pixels[] = [];

  const what = choice(
    'Train',
    Object.entries(kinds).map(([value, { name }]) => [value, name]),
    kind,
    (value) => {
      choose(value as Kind);
      tell.kind();
    },
  );
  const files = h('input', {
    type: 'file',
    accept: 'image/*',
    multiple: true,
    hidden: true,
    'aria-label': 'Pictures to train on',
    change: () => {
      const chosen = [...(files.files ?? [])];
      files.value = ''; // or the same files could not be chosen again
      tell.take(chosen);
    },
  });
  const ownButton = button('Your pictures …', () => files.click());
  const noOwn = button('Shapes instead', () => {
    own = [];
    refresh();
  });
  const steps = h('input', { type: 'number', min: 1, max: mostSteps, value: kinds[kind].steps, name: 'steps' });
  const seed = h('input', { type: 'number', min: 0, max: 999_999, value: 1, name: 'seed' });
  const device = choice(
    'Device',
    Object.entries(deviceNames).map(([value, name]) => [value, name]),
    'cpu',
    () => {},
  );
  const field = (label: string, input: HTMLElement) => h('label', { class: 'choice' }, h('span', {}, label), input);
  const advanced = h(
    'details',
    {},
    h('summary', {}, 'Advanced'),
    h('div', { class: 'row' }, device.element, field('Seed', seed)),
    h(
      'p',
      { class: 'small' },
      'Graphics processors compile their programs first, up to two minutes. Small networks often train as fast without.',
    ),
  );
  const element = h(
    'fieldset',
    { class: 'plan' },
    h('div', { class: 'row' }, what.element, field('Updates', steps), files, ownButton, noOwn),
    advanced,
  );

  function choose(next: Kind): void {
    kind = what.select.value = next;
    steps.value = `${kinds[kind].steps}`;
    showOwn();
  }
  function showOwn(): void {
    ownButton.hidden = kind === 'generator';
    noOwn.hidden = kind === 'generator' || own.length === 0;
  }
  function refresh(): void {
    showOwn();
    tell.pictures();
  }
  showOwn();

  return {
    element,
    get kind() {
      return kind;
    },
    get own() {
      return own;
    },
    get device() {
      return device.select.value;
    },
    read() {
      if (!seed.checkValidity()) advanced.open = true; // or nobody would see what is wrong
      if (!steps.reportValidity() || !seed.reportValidity()) return undefined;
      return { kind, steps: steps.valueAsNumber, seed: seed.valueAsNumber };
    },
    show(plan) {
      kind = what.select.value = plan.kind;
      steps.max = `${Math.max(mostSteps, plan.steps)}`; // of a file: a longer training goes on
      steps.value = `${plan.steps}`;
      seed.value = `${plan.seed}`;
      showOwn();
    },
    async takePictures(chosen) {
      const read = await Promise.allSettled(chosen.slice(0, mostOwn).map((file) => readPicture(file, imageSize)));
      const good = read.flatMap((result) => (result.status === 'fulfilled' ? [result.value.pixels] : []));
      const bad = chosen.filter((_, i) => read[i]?.status === 'rejected').map(({ name }) => name);
      if (good.length > 0) {
        own = good;
        if (kind === 'generator') choose('titok'); // a generator learns from no pictures
        refresh();
      }
      const used =
        ['Nothing has changed.', 'The other one is used.'][good.length] ?? `The other ${good.length} are used.`;
      if (bad.length > 0) return `${list(bad)}: no picture that this browser can read. ${used}`;
      return chosen.length > mostOwn ? `Only the first ${mostOwn.toLocaleString('en')} pictures are used.` : undefined;
    },
    lock(locked) {
      element.disabled = locked;
    },
  };
}

const list = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
