/** In-place updates that several modules share. */
import { defineUpdate } from '../core/index.ts';

/** Running mean whose old value keeps the share 1 − rest: x ← x + rest · (seen − x). */
export const moveTowards = defineUpdate('moveTowards', ['x'], ['seen'], ['rest'], { x: 'x + rest * (seen - x)' });

/** Copies y into x on the device: x ← y. Its `all` copies many tensors in few launches. */
export const overwrite = defineUpdate('overwrite', ['x'], ['y'], [], { x: 'y' });
