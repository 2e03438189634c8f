/** Settings: what a declaration leads to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  finetune,
  generator,
  merge,
  parseSettings,
  presets,
  type Setting,
  type Stage,
  settingsOf,
  single,
  teacher,
  warmup,
} from '../../train/index.ts';

const stages: readonly Stage[] = [teacher, warmup, finetune, single, generator];
const nested = (path: readonly string[], value: unknown) =>
  path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;

test('every setting has a reason, a range and a default inside of it', () => {
  for (const stage of stages) {
    for (const { path, about, range, default: value, only } of settingsOf(stage.settings)) {
      const name = `${stage.name} ${path.join('.')}`;
      assert.ok(about.length > 3, `${name} says what it is for`);
      assert.match(
        range,
        /^(a |one of |\d+ (to \d+ )?)?(whole )?numbers? (> 0 and ≤|≥ 0 and <|from \d+ to) |one of|true or false|text/,
        name,
      );
      const base = only === undefined ? {} : { [path[0]]: { kind: only } };
      assert.doesNotThrow(() => parseSettings(stage.settings, merge(base, nested(path, value)), name));
    }
  }
});

/** Values that a setting must refuse, with the reason. */
function refused({ type, range, words }: Setting): unknown[] {
  if (type === 'boolean') return ['yes', 1, null];
  if (words.length > 0) return [`${words[0]}x`, 1, null];
  if (type === 'string') return [1, null];
  const wrong: unknown[] = [Number.NaN, Number.POSITIVE_INFINITY, 'one', null, -1];
  if (range.includes('whole')) wrong.push(1.5);
  if (range.includes('> 0') || range.includes('from 1')) wrong.push(0);
  const [, limit] = range.match(/(?:to|≤|<) (\S+)( with commas)?$/) ?? [];
  wrong.push(range.includes('<') ? Number(limit) : Number(limit) * 1.01);
  return type === 'numbers' ? [...wrong.map((x) => [x, x]), [], 3, null] : wrong;
}

test('a value outside the range is an OptionError that names setting and range', () => {
  const cases = stages.flatMap((stage) =>
    settingsOf(stage.settings).flatMap((setting) => refused(setting).map((value) => ({ stage, setting, value }))),
  );
  assert.ok(cases.length > 300);
  fc.assert(
    fc.property(fc.nat(cases.length - 1), (i) => {
      const { stage, setting, value } = cases[i];
      const { path, range, only } = setting;
      const base = only === undefined ? {} : { [path[0]]: { kind: only } };
      assert.throws(
        () => parseSettings(stage.settings, merge(base, nested(path, value)), 'here'),
        (error: Error) => {
          assert.equal(error.name, 'OptionError', error.stack);
          assert.ok(error.message.startsWith(`here, ${path.join('.')}: expected ${range}, got `), error.message);
          return true;
        },
      );
    }),
    { numRuns: 400 },
  );
});

test('every preset is within the ranges', () => {
  for (const [name, preset] of Object.entries(presets))
    for (const stage of stages) parseSettings(stage.settings, preset[stage.name], `${name} ${stage.name}`);
});

test('merge replaces values and keeps the rest of a group', () => {
  const base = { weights: { l1: 1, l2: 2 }, betas: [0.9, 0.99], steps: 3 };
  assert.deepEqual(merge(base, { weights: { l2: 5 }, betas: [0.5, 0.6], steps: undefined }), {
    weights: { l1: 1, l2: 5 },
    betas: [0.5, 0.6],
    steps: 3,
  });
});
