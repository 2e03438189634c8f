/** Reading what a checkpoint's metadata holds: a file may be damaged, or made by another program. */
import type { z } from 'zod';
import { CheckpointError } from '../core/index.ts';
import { mistakeOf } from './settings.ts';

/**
 * A part of the metadata, checked.
 *
 * @param source  'checkpoint runs/mine/teacher.safetensors'
 * @param at      where the part is: 'settings.model'
 * @param alone   checks each value alone, and not whether they fit each other, which older versions did not ask for
 * @throws CheckpointError naming the value that is wrong
 */
export function savedPart<T extends z.ZodType>(
  schema: T,
  values: unknown,
  source: string,
  at = '',
  { alone = false } = {},
): z.output<T> {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const issue = result.error.issues.find(({ code }) => !alone || code !== 'custom');
  if (!issue) return values as z.output<T>;
  const { path, expected, got } = mistakeOf(issue, schema, values);
  const place = [at, ...path].filter(Boolean).join('.');
  throw new CheckpointError(
    `${source}: expected ${expected} as ${place} in its metadata, got ${got.slice(0, 80)}. Is the file damaged?`,
  );
}
