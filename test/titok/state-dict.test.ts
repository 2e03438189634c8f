/** Names, shapes and counts against the official state dicts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rng } from '../../core/index.ts';
import { stateDict } from '../../nn/index.ts';
import {
  countShapes,
  MaskGitVqgan,
  type ParameterShapes,
  PatchDiscriminator,
  parameterShapes,
  presets,
  publishedDiscriminator,
  publishedVqgan,
  TiTok,
  vqganShapes,
  warmupConfig,
} from '../../titok/index.ts';
import { forms, vqgan } from './configs.ts';
import { officialShapes } from './official-shapes.ts';

const official = officialShapes();
const shapesOf = (model: object): ParameterShapes =>
  Object.fromEntries(Object.entries(stateDict(model)).map(([name, t]) => [name, t.shape]));

test('published configurations have the official names and shapes, in the official order', () => {
  for (const preset of ['s128', 'l32', 'bl64', 'll32vae'] as const) {
    assert.deepEqual(Object.entries(parameterShapes(presets[preset])), official.get(preset), preset);
  }
  assert.deepEqual(Object.entries(vqganShapes(publishedVqgan)), official.get('vqgan'));
  const discriminator = new PatchDiscriminator(publishedDiscriminator, new Rng(0));
  assert.deepEqual(Object.entries(shapesOf(discriminator)), official.get('discriminator'));
});

test('models have the parameters that their shapes promise', () => {
  for (const [form, config] of Object.entries(forms)) {
    assert.deepEqual(
      Object.entries(shapesOf(new TiTok(config, new Rng(0)))),
      Object.entries(parameterShapes(config)),
      form,
    );
  }
  assert.deepEqual(Object.entries(shapesOf(new MaskGitVqgan(vqgan, new Rng(0)))), Object.entries(vqganShapes(vqgan)));
});

test('parameter counts are the published ones', () => {
  const published = {
    s128: 83_674_639,
    b64: 204_814_095,
    l32: 641_054_735,
    bl64: 390_016_148,
    bl128: 390_179_988,
    sl256: 330_260_884,
    ll32vae: 606_879_604,
    bl64vae: 389_418_100,
    bl128vae: 389_581_940,
  };
  for (const [preset, count] of Object.entries(published)) {
    assert.equal(countShapes(parameterShapes(presets[preset as keyof typeof published])), count, preset);
  }
  const warmup = (['s128', 'b64', 'l32'] as const).map((p) => countShapes(parameterShapes(warmupConfig(presets[p]))));
  assert.deepEqual(warmup, [52_934_156, 174_073_612, 610_314_252]);
  assert.equal(countShapes(vqganShapes(publishedVqgan)), 54_515_587);
});
