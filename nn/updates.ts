/** In-place updates that several modules share. */
import { defineUpdate } from '../core/index.ts';

/** x ← x + rest · (seen − x): a running mean whose old value keeps the share 1 − rest. */
export const moveTowards = defineUpdate('moveTowards', ['x'], ['seen'], ['rest'], { x: 'x + rest * (seen - x)' });

/** x ← y, without reading values back to the host as `assign` does. */
export const overwrite = defineUpdate('overwrite', ['x'], ['y'], [], { x: 'y' });
