import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rng } from '../../core/index.ts';
import { createGenerator, type GeneratorConfig, laptopGenerators, startFrom } from '../../maskgit/index.ts';
import { stateDict } from '../../nn/index.ts';

const sizes = { codebookSize: 5, latentTokens: 3, width: 8, layers: 2, heads: 2, mlpWidth: 8, initializerRange: 1 };
const tables = { bert: 'model.embeddings.word_embeddings.weight', uvit: 'embeddings.weight' } as const;

for (const architecture of ['bert', 'uvit'] as const) {
  test(`${architecture}: the trunk is kept; classes keep their embedding by name, new ones begin as "no class"`, async () => {
    const config = (classes: number): GeneratorConfig => ({
      ...laptopGenerators.smoke,
      ...sizes,
      architecture,
      classes,
    });
    const from = createGenerator(config(2), new Rng(1));
    const model = createGenerator(config(3), new Rng(2));
    startFrom(model, from, ['cars', 'cats', 'dogs'], ['dogs', 'cats']);
    const table = tables[architecture];
    const { [table]: before, ...trunk } = stateDict(from);
    const { [table]: now, ...rest } = stateDict(model);
    for (const [name, t] of Object.entries(trunk)) assert.deepEqual(await rest[name].data(), await t.data(), name);
    const rows = (values: ArrayLike<number>) =>
      Array.from({ length: values.length / 8 }, (_, i) => Array.from(values).slice(8 * i, 8 * i + 8));
    const [old, fresh] = [rows(await before.data()), rows(await now.data())];
    const [dogs, cats, none] = old.slice(6);
    assert.deepEqual(fresh, [...old.slice(0, 6), none, cats, dogs, none]);
    for (const [now, before] of [
      [
        ['cats', 'dogs'],
        ['dogs', 'cats'],
      ],
      [
        ['cars', 'cats', 'dogs'],
        ['dogs', 'cats', 'cars'],
      ], // would be "no class"
    ])
      assert.throws(() => startFrom(model, from, now, before), {
        name: 'OptionError',
        message: /expected \d names, got/,
      });
    const wider = createGenerator({ ...config(2), width: 16 }, new Rng(3));
    assert.throws(() => startFrom(wider, from, ['a', 'b'], ['a', 'b']), { name: 'CheckpointError' });
  });
}
