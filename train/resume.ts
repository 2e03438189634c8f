/** What may change when a training goes on, and what may not. */
import { OptionError } from '../core/index.ts';
import { type SavedMeta, settingsBefore } from './run-folder.ts';
import { merge } from './settings.ts';
import type { Stage } from './stage.ts';

/**
 * Compares the settings of a training that goes on with those that it was saved with. Updates, rates, weights of the loss
 * and batch size may change; what the model is made of may not.
 *
 * @param source  'checkpoint runs/mine/teacher.safetensors'
 * @returns       sentences about changes that have no effect any more
 * @throws OptionError naming the setting that cannot change
 */
export function expectResumable(stage: Stage, saved: SavedMeta, settings: object, source: string): string[] {
  const where = `${stage.name} settings`;
  const { done } = saved.state;
  const before = merge(settings, settingsBefore(stage, saved)); // what older versions did not store is as now
  const fail = (setting: string, expected: string, got: unknown, repair: string) => {
    throw new OptionError(`${where}, ${setting}: expected ${expected}, got ${JSON.stringify(got)}. ${repair}`);
  };
  const again = 'Leave it out, or train again with --overwrite or another --name.';

  const { steps, continuousSteps: continuous } = settings as { steps: number; continuousSteps?: number };
  if (steps < done) fail('steps', `at least the ${done} updates of ${source}`, steps, again);
  const difference = firstDifference(stage.fixed(before), stage.fixed(settings));
  if (difference) {
    const [path, was, is] = difference;
    fail(path.join('.'), `${JSON.stringify(was)}, with which ${source} began`, is, again);
  }
  const { continuousSteps: earlier } = before as { continuousSteps?: number };
  if (continuous !== undefined && earlier !== undefined && done > earlier !== done > continuous) {
    const began =
      done > earlier ? `its codebook began after update ${earlier}` : `${done} updates were done without one`;
    fail('continuousSteps', `${earlier}, because in ${source} ${began}`, continuous, again);
  }
  return stage.initial
    .filter((name) => at(before, name) !== at(settings, name))
    .map((name) => `${name}: only the first update reads it, so changing it has no effect now.`);
}

function at(settings: object, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((group, name) => (group as Record<string, unknown> | undefined)?.[name], settings);
}

function firstDifference(
  a: unknown,
  b: unknown,
  path: readonly string[] = [],
): [readonly string[], unknown, unknown] | undefined {
  const [one, other] = [a, b] as Record<string, unknown>[];
  if (
    typeof a !== 'object' ||
    typeof b !== 'object' ||
    a === null ||
    b === null ||
    Array.isArray(a) ||
    Array.isArray(b)
  ) {
    return JSON.stringify(a) === JSON.stringify(b) ? undefined : [path, a, b];
  }
  for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const found = firstDifference(one[name], other[name], [...path, name]);
    if (found) return found;
  }
  return undefined;
}
