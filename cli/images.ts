/** The options of the images to train on, and what is said while and after they are loaded. */
import type { Command } from 'commander';
import { type Dataset, describeLeftOut, type EmojiClasses } from '../data/index.ts';
import { type DatasetOptions, group, oneOf, part } from '../train/index.ts';
import { addSettings } from './options.ts';

const imageSettings = group({
  heldOut: part(0.1, 'of the images in --data, to measure with'),
  classes: oneOf(
    ['groups', 'subgroups'],
    'groups',
    'of the emoji: 8 groups (Food & Drink), or 95 subgroups (food-fruit)',
  ),
});
const fallbacks: Readonly<Record<string, string>> = {
  heldOut: 'default 0.1, or its folder val/',
  classes: "default the run's, else the preset's",
};

export interface ImagesGiven {
  readonly heldOut?: number;
  readonly classes?: EmojiClasses;
  readonly skipBroken?: boolean;
}

export const addImageOptions = (command: Command): Command =>
  addSettings(command, imageSettings, ({ path: [name] }) => fallbacks[name]).option(
    '--skip-broken',
    'go on without pictures that cannot be read',
    false,
  );

/** Options of `loadDataset`. */
export function imageOptions({ heldOut, classes, skipBroken = false }: ImagesGiven): DatasetOptions {
  return {
    ...(heldOut !== undefined && { heldOutFraction: heldOut }),
    ...(classes !== undefined && { classes }),
    skipBroken,
    onProgress: showLoading(),
  };
}

/** What is not plain about a dataset: a line each on how it was read, and one on what was left out. */
export function remarks({ notes = [], leftOut }: Dataset): string[] {
  return [...notes, describeLeftOut(leftOut) ?? []].flat();
}

/** 'reading pictures 300/2000' on stderr, in place on a terminal and every few seconds elsewhere; nothing for a few. */
function showLoading(): (done: number, total: number) => void {
  let shownAt = performance.now();
  let open = false;
  return (done, total) => {
    const terminal = process.stderr.isTTY === true;
    if (open && done === total) process.stderr.write('\r\x1b[2K');
    if (done === total || performance.now() - shownAt < (terminal ? 200 : 5000)) return;
    shownAt = performance.now();
    const line = `reading pictures ${done}/${total}`;
    process.stderr.write(terminal ? `\r\x1b[2K${line}` : `${line}\n`);
    open = terminal;
  };
}
