/** evaluator: metrics of given features. */
import { CodebookUsage, FrechetStatistics, frechetDistance, inceptionScore } from '../../eval/index.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';

export async function evaluator(file: GoldenFile, check: Comparison): Promise<void> {
  const statistics = (key: string) => new FrechetStatistics(file.shape(key)[1]).add(file.values(key));
  const distance = frechetDistance(statistics('in/real_features'), statistics('in/fake_features'));
  await check.check('out/rFID', [distance]);
  const score = inceptionScore(file.values('in/fake_logits'), file.shape('in/fake_logits')[1]);
  await check.check('out/InceptionScore', [score]);
  const usage = new CodebookUsage(file.metadata<number>('num_codebook_entries')).add(
    file.values('in/codebook_indices'),
  );
  await check.check('out/CodebookUsage', [usage.fraction]);
  await check.check('out/CodebookEntropy', [usage.entropy]);
}
