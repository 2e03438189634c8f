/** A run of every stage, in sizes that train in a second or two. */
import { join } from 'node:path';
import { loadImageFolder } from '../../data/index.ts';
import { finetune, generator, openRun, type Run, teacher, warmup } from '../../train/index.ts';
import { writePictures } from '../cli/command-line.ts';

const half = { width: 16, layers: 1, heads: 2 };
const short = { batchSize: 4, warmupSteps: 2 };

/** Trains in `folder`/runs/small, on the pictures in `folder`/pictures. The tokenizer has 4 tokens, in 2-D one for each 8 × 8 pixels. */
export async function trainedRun(folder: string, variant: '1d' | '2d' = '1d'): Promise<Run> {
  const path = await writePictures(join(folder, 'pictures'));
  const run = await openRun(join(folder, 'runs/small'), {
    dataset: (size) => loadImageFolder(path, size),
    source: { path },
  });
  const config = { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 } as const;
  const model = {
    variant,
    imageSize: 16,
    latentTokens: 4,
    codebookSize: 16,
    encoder: half,
    decoder: half,
    init: 'fan-in',
  } as const;
  const once = async (training: AsyncIterable<unknown>) => {
    for await (const _ of training);
  };
  await once(run.train(teacher, { ...short, imageSize: 16, teacher: config, steps: 20, continuousSteps: 5 }));
  await once(run.train(warmup, { ...short, model, steps: 20, continuousSteps: 8 }));
  await once(run.train(finetune, { ...short, steps: 20, weights: { perceptual: 0, adversarial: 0 } }));
  await once(
    run.train(generator, { ...short, steps: 12, generator: { ...half, mlpWidth: 32 }, sampling: { steps: 2 } }),
  );
  return run;
}
