/** maskgit_vqgan: the convolutional teacher. */
import { add, clamp, grad, mean, mul, Rng, tensorScope } from '../../core/index.ts';
import { loadStateDict, stateDict } from '../../nn/index.ts';
import { type OfficialVqganConfig, softCodes, Teacher, vqganFromOfficial } from '../../titok/index.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';
import { owned } from './owned.ts';

export async function vqgan(file: GoldenFile, check: Comparison): Promise<void> {
  using _ = tensorScope();
  const settings = file.metadata<OfficialVqganConfig>('conf');
  const model = new Teacher(vqganFromOfficial(settings, file.metadata<number>('num_embeddings')), new Rng(0));
  using _model = owned(model);
  loadStateDict(model, file.state('weights/'), { source: file.name });
  const image = file.tensor('in/image');
  const result = model.forward(image, check.tap('mid/'));
  await check.checkTaps();
  await check.check('out/hidden_states', result.z);
  await check.check('out/codes', result.indices);
  await check.check('out/z_q', result.zQuantized);
  await check.check('out/quantizer_loss', result.quantizerLoss);
  await check.check('out/reconstruction_st', result.reconstruction);
  await check.check('out/soft_code', softCodes(result.z, model.codebook));
  const decoded = model.decodeTokens(file.tensor('out/codes'));
  await check.check('out/decode_codes_unclamped', decoded);
  await check.check('out/decode_codes', clamp(decoded, 0, 1));

  const total = add(mean(mul(result.reconstruction, file.tensor('in/grad_reconstruction'))), result.quantizerLoss);
  await check.checkAll('grad/', grad(total, { image, ...stateDict(model) }));
}
