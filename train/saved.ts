/** Reading what a checkpoint's metadata holds: a file may be damaged, or made by another program. */
import type * as z from 'zod';
import { CheckpointError } from '../core/index.ts';
import { type Mistake, mistakeOf } from './settings.ts';

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
  const mistake = mistakeOf(issue, schema, values);
  const path = issue.code === 'unrecognized_keys' ? mistake.path : issue.path;
  throw new CheckpointError(
    `${source}: expected ${expectation(issue, mistake)} as ${[at, ...path].filter((name) => name !== '').join('.')} ` +
      `in its metadata, got ${mistake.got.slice(0, 80)}. Is the file damaged?`,
  );
}

function expectation(issue: z.core.$ZodIssue, mistake: Mistake): string {
  switch (issue.code) {
    case 'invalid_type':
      return `a value of type ${issue.expected}`;
    case 'too_small':
      return `a value ${issue.inclusive ? '≥' : '>'} ${issue.minimum}`;
    case 'too_big':
      return `a value ${issue.inclusive ? '≤' : '<'} ${issue.maximum}`;
    default:
      return mistake.expected;
  }
}
