/** Updates of preset tiny's warm-up on the training images of a folder (BENCH_DATA): in memory, or streamed. */
import { Rng } from '../../core/index.ts';
import { batches, openImageFolder } from '../../data/index.ts';
import { countParameters } from '../../nn/index.ts';
import { leanTeacher, Teacher } from '../../titok/index.ts';
import { parseSettings, trainWarmup, warmup } from '../../train/index.ts';
import { serve, type Workload } from '../serve.ts';
import { filled } from '../values.ts';
import { firstLosses, steady } from './training.ts';

async function training(stream: boolean): Promise<Workload> {
  const dataset = await openImageFolder(process.env['BENCH_DATA']!, 32, { stream, heldOutFraction: 0.01 });
  const teacher = filled(new Teacher(leanTeacher, new Rng(0)), 'teacher.');
  const settings = parseSettings(warmup.settings, { ...steady, continuousSteps: 0 }, 'streaming');
  const data = batches(dataset.train, { batchSize: settings.batchSize, seed: 0, flip: true });
  const training = trainWarmup(settings, teacher, data, new Rng(0));
  const run = async () => (await training.step()).loss;
  return { run, check: await firstLosses(run), parameters: countParameters(training.model) };
}

await serve({ memory: () => training(false), stream: () => training(true) });
