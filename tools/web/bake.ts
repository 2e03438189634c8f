/** What the page shows before any weights arrive, computed when it is built. The page imports it as 'virtual:baked'. */
import { readFile } from 'node:fs/promises';

/** The first state of the page, as JSON. */
export interface Baked {
  /** The name of the model that the page loads. */
  readonly model: string;
}

let baked: Promise<Baked> | undefined;
/** The first state of the page, computed once per process. */
export const bake = (): Promise<Baked> => (baked ??= compute());

async function compute(): Promise<Baked> {
  const index = await readFile(new URL('../../models/index.json', import.meta.url), 'utf8');
  const { default: model } = JSON.parse(index) as { default: string };
  return { model };
}
