/** quantizer: the vector quantizer alone, trained by gradient and by re-seeding. */
import { add, grad, mul, Rng, sum, tensorScope } from '../../core/index.ts';
import { loadStateDict, stateDict, VectorQuantizer } from '../../nn/index.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';
import { owned } from './owned.ts';

interface Case {
  readonly codebook_size: number;
  readonly token_size: number;
  readonly use_l2_norm: boolean;
  readonly clustering_vq: boolean;
  readonly commitment_cost: number;
}

export async function quantizer(file: GoldenFile, check: Comparison): Promise<void> {
  for (const [name, settings] of Object.entries(file.metadata<Record<string, Case>>('cases'))) {
    using _ = tensorScope();
    const model = new VectorQuantizer(settings.codebook_size, settings.token_size, new Rng(0), {
      l2Norm: settings.use_l2_norm,
      clusteringVQ: settings.clustering_vq,
      commitmentCost: settings.commitment_cost,
    });
    using _model = owned(model);
    loadStateDict(model, file.state(`${name}/weights/`));
    const z = file.tensor(`${name}/in/z`);
    const result = model.encode(z);
    if (settings.clustering_vq) model.reseed(z, result.indices);
    await check.check(`${name}/out/z_quantized`, result.zQuantized);
    await check.check(`${name}/out/indices`, result.indices);
    await check.check(`${name}/out/quantizer_loss`, result.loss);
    await check.check(`${name}/out/commitment_loss`, result.commitmentLoss);
    await check.check(`${name}/out/codebook_loss`, result.codebookLoss);
    await check.check(`${name}/out/lookup`, model.lookup(file.tensor(`${name}/in/lookup_ids`)));
    await check.check(`${name}/out/soft_lookup`, model.softLookup(file.tensor(`${name}/in/soft_code`)));
    if (file.has(`${name}/loss/total`)) {
      const pulled = sum(mul(result.zQuantized, file.tensor(`${name}/in/grad_z_quantized`)));
      const total = add(pulled, mul(3, result.loss));
      await check.check(`${name}/loss/total`, total);
      await check.checkAll(`${name}/grad/`, grad(total, { z, 'embedding.weight': model.embedding.weight }));
    }
    await check.checkAll(`${name}/after/`, stateDict(model));
  }
}
