/** Names, shapes and counts against the official state dicts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memory, metaDevice, Rng, withDevice } from '../../core/index.ts';
import { countParameters, parameterShapes, stateDict } from '../../nn/index.ts';
import {
  PatchDiscriminator,
  presets,
  publishedDiscriminator,
  publishedVqgan,
  Teacher,
  TiTok,
  type TiTokConfig,
  warmupConfig,
} from '../../titok/index.ts';
import { forms } from './configs.ts';
import { officialShapes } from './official-shapes.ts';

const official = officialShapes();
const titok = (config: TiTokConfig) => () => new TiTok(config, new Rng(0));

test('published configurations have the official names and shapes, in the official order', () => {
  for (const preset of ['s128', 'l32', 'bl64', 'll32vae'] as const) {
    assert.deepEqual(Object.entries(parameterShapes(titok(presets[preset]))), official.get(preset), preset);
  }
  const vqgan = () => new Teacher(publishedVqgan, new Rng(0));
  assert.deepEqual(Object.entries(parameterShapes(vqgan)), official.get('vqgan'));
  const discriminator = () => new PatchDiscriminator(publishedDiscriminator, new Rng(0));
  assert.deepEqual(Object.entries(parameterShapes(discriminator)), official.get('discriminator'));
});

test('parameterShapes gives the shapes of a model that has values, and leaves nothing behind', () => {
  for (const [form, config] of Object.entries(forms)) {
    const before = memory();
    const shapes = parameterShapes(titok(config));
    assert.deepEqual(memory(), before);
    const params = Object.entries(stateDict(titok(config)()));
    assert.deepEqual(
      Object.entries(shapes),
      params.map(([name, p]) => [name, p.shape]),
      form,
    );
  }
});

test('parameter counts are the published ones', () => {
  const count = (make: () => object): number => countParameters(withDevice(metaDevice, make));
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
  for (const [preset, parameters] of Object.entries(published)) {
    assert.equal(count(titok(presets[preset as keyof typeof published])), parameters, preset);
  }
  const warmup = (['s128', 'b64', 'l32'] as const).map((p) => count(titok(warmupConfig(presets[p]))));
  assert.deepEqual(warmup, [52_934_156, 174_073_612, 610_314_252]);
  assert.equal(
    count(() => new Teacher(publishedVqgan, new Rng(0))),
    54_515_587,
  );
});
