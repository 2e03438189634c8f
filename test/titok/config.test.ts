/** Configurations: what is refused, and how official files are read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OptionError } from '../../core/index.ts';
import { checkConfig, configFromOfficial, perceptualWeights, presets, type TiTokConfig } from '../../titok/index.ts';
import { lean, vqgan, warmup } from './configs.ts';

test('every preset is possible', () => {
  for (const config of Object.values(presets)) checkConfig(config);
});

test('impossible settings are refused with both sides', () => {
  const refused = (change: Partial<TiTokConfig>, message: RegExp) =>
    assert.throws(
      () => checkConfig({ ...warmup, ...change }),
      (error) => error instanceof OptionError && message.test(error.message),
      String(message),
    );
  refused({ encoder: { ...warmup.encoder, heads: 3 } }, /encoder\.heads: expected a divisor of the width 8, got 3/);
  refused({ imageSize: 10 }, /encoder\.patchSize: expected a divisor of imageSize 10, got 4/);
  refused({ decoder: { ...warmup.decoder, layers: 0 } }, /decoder\.layers: expected a whole number above 0, got 0/);
  refused({ latentTokens: 1.5 }, /latentTokens: expected a whole number above 0, got 1.5/);
  refused({ imageSize: 0 }, /imageSize: expected a whole number above 0, got 0/);
  refused({ imageSize: -8 }, /imageSize: expected a whole number above 0, got -8/);
  refused({ pixels: { mean: 0.5, std: 0 } }, /pixels\.std: expected a finite number above 0, got 0/);
  refused({ pixels: { mean: Number.NaN, std: 1 } }, /pixels\.mean: expected a finite number, got NaN/);
  for (const name of ['variant', 'quantizeMode', 'head', 'init']) // as JavaScript may have them
    refused({ [name]: 'other' }, new RegExp(`^${name}: expected one of .*, got other`));
  refused({ pixelDecoder: lean, quantizeMode: 'vae' }, /quantizeMode: expected 'vq'/);
  refused({ pixelDecoder: lean, head: 'pixels' }, /head: expected 'proxy'/);
  refused({ pixelDecoder: { ...vqgan, codebookSize: 11 } }, /codebookSize: expected proxyCodebookSize 10, got 11/);
  refused(
    { pixelDecoder: { ...vqgan, channelMult: [1, 1] } },
    /decoder\.patchSize: expected the pixel decoder's 2, got 4/,
  );
});

test('official configurations and their defaults', () => {
  const vq_model = {
    codebook_size: 4096,
    token_size: 12,
    use_l2_norm: true,
    commitment_cost: 0.25,
    vit_enc_model_size: 'small',
    vit_dec_model_size: 'small',
    vit_enc_patch_size: 16,
    vit_dec_patch_size: 16,
    num_latent_tokens: 128,
  };
  const read = (change: object) =>
    configFromOfficial({
      model: { vq_model: { ...vq_model, ...change } },
      dataset: { preprocessing: { crop_size: 256 } },
    });
  assert.deepEqual(read({}), presets.s128);
  const bl64 = {
    codebook_size: 8192,
    token_size: 64,
    use_l2_norm: false,
    num_latent_tokens: 64,
    is_legacy: false,
    finetune_decoder: false,
  };
  assert.deepEqual(read({ ...bl64, vit_enc_model_size: 'base', vit_dec_model_size: 'large' }), presets.bl64);
  assert.throws(() => read({ vit_enc_model_size: 'huge' }), /expected one of small, base, large, got huge/);
  assert.throws(() => read({ quantize_mode: 'vae' }), /Set pixelDecoder to null/);
});

test('names of perceptual losses', () => {
  assert.deepEqual(perceptualWeights('convnext_s'), { lpips: 0, convnext: 1 });
  assert.deepEqual(perceptualWeights('lpips-convnext_s-1.0-0.1'), { lpips: 1, convnext: 0.1 });
  assert.throws(() => perceptualWeights('lpips-convnext_s'), OptionError);
});
