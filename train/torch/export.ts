/** `titok export --to torch`: a training for PyTorch to go on with, on the processes of one machine or several. */
import { join } from 'node:path';
import { expectOption, OptionError } from '../../core/index.ts';
import {
  type Dataset,
  type ImageDataset,
  type ImageSet,
  isStream,
  type WritableTensor,
  writeFileAtomic,
  writeSafetensors,
} from '../../data/index.ts';
import { decaysWeight, stateDict } from '../../nn/index.ts';
import { type Teacher, type TiTok, withPixelsFolded } from '../../titok/index.ts';
import { flippable } from '../flips.ts';
import { officialText } from '../official-config.ts';
import type { Run } from '../run.ts';
import type { SingleSettings } from '../single.ts';
import { teacher as teacherStage } from '../teacher.ts';
import { encodeViews, viewsOf } from '../views.ts';
import type { WarmupSettings } from '../warmup.ts';
import {
  beginFolder,
  copyCheckpoint,
  type TorchStageName,
  torchSettings,
  torchStageOf,
  torchStages,
  writeTraining,
} from './folder.ts';
import { whyNotOfficial, writeOfficial } from './official.ts';

/**
 * Writes a folder with which PyTorch goes on with a training of stage 1 or of the single stage.
 *
 * @param name  'warmup' or 'single'; default: the one that the run has, 'warmup' if it has both
 * @returns the stage, its updates so far, and why the paper's own code cannot go on with it, if it cannot
 * @throws OptionError for a training that the Python files cannot repeat, CheckpointError when there is none
 */
export async function exportTorch(
  run: Run,
  folder: string,
  name?: TorchStageName,
): Promise<{
  readonly stage: TorchStageName;
  readonly done: number;
  readonly steps: number;
  readonly notOfficial?: string;
}> {
  const stage = torchStageOf(run, name);
  const { saved, meta, loop } = run.open(torchStages[stage]);
  const settings = torchSettings(run, stage);
  const model = run.model<TiTok>(torchStages[stage]);
  const { done, optimizers } = meta.state;
  expectRepeatable(stage, model, settings, done);
  const teacher = stage === 'warmup' ? run.model(teacherStage) : undefined;
  if (teacher) await run.expectMadeWith(torchStages[stage], { teacher });
  const dataset = await run.dataset(model.config.imageSize);
  const train = inMemory(dataset.train);
  beginFolder(folder); // an earlier export stays until here

  if (teacher) copyCheckpoint(run, folder, 'teacher');
  copyCheckpoint(run, folder, stage);
  writeSafetensors(join(folder, 'data.safetensors'), await dataOf({ ...dataset, train }, teacher));

  const weights: Record<string, WritableTensor> = {};
  for (const [key, t] of Object.entries(stateDict(withPixelsFolded(model))))
    weights[key] = { shape: t.shape, data: Float32Array.from(await t.data()) };
  writeSafetensors(join(folder, 'model.safetensors'), weights, { format: 'pt' });
  writeFileAtomic(join(folder, 'config.yaml'), [new TextEncoder().encode(officialText(model.config))]);
  const notOfficial = teacher
    ? whyNotOfficial({ config: model.config, teacher: teacher.config, teacherSteps: run.meta(teacherStage).state.done })
    : 'it has no single stage';
  if (notOfficial === undefined) await writeOfficial(join(folder, 'official'), model.config, dataset);

  const { model: _, ...numbers } = settings;
  const trained = Object.fromEntries(
    Object.keys(optimizers).map((kind) => [kind, trainedBy(Object.keys(saved.groups[`optimizer.${kind}`] ?? {}))]),
  );
  const shapes = saved.groups['model'] ?? {};
  const decayed = Object.keys(shapes).filter((key) => decaysWeight(key, shapes[key].shape));
  const { recent } = loop;
  writeTraining(folder, {
    stage,
    model: model.config,
    settings: numbers,
    done,
    updates: optimizers,
    trained,
    decayed,
    recent,
  });
  return { stage, done, steps: settings.steps, ...(notOfficial !== undefined && { notOfficial }) };
}

/** The parameters that an optimizer's tensors belong to: 'exp_avg.encoder.ln_pre.weight' → 'encoder.ln_pre.weight'. */
const trainedBy = (keys: readonly string[]): string[] => [
  ...new Set(keys.map((key) => key.slice(key.indexOf('.') + 1))),
];

/** @throws OptionError for what the Python files do not have */
function expectRepeatable(
  stage: TorchStageName,
  { config }: TiTok,
  settings: WarmupSettings | SingleSettings,
  done: number,
): void {
  const where = 'export --to torch';
  const expect = (setting: string, expected: string | number | boolean, got: unknown) =>
    expectOption(got === expected, `${where}, ${setting}`, `${expected}`, got, 'Train others here.');
  const { variant = '1d', quantizeMode, quantizer = 'vq', variableLength = false, pixelDecoder } = config;
  expect('model.variant', '1d', variant);
  expect('model.quantizeMode', 'vq', quantizeMode);
  expect('model.quantizer', 'vq', quantizer);
  expect('model.variableLength', false, variableLength);
  expect('model.pixelDecoder', 'none', pixelDecoder?.kind ?? 'none');
  const { weights, continuousSteps } = settings;
  if ('from' in settings) expect('from', 'none', settings.from || 'none');
  if ('perceptual' in weights) {
    expect('weights.perceptual', 0, weights.perceptual);
    expect('weights.adversarial', 0, weights.adversarial);
  }
  const least = continuousSteps === 0 ? 0 : continuousSteps + 1;
  expectOption(
    done >= least,
    where,
    `at least ${least} updates of ${stage}, as codes start from k-means after ${continuousSteps}`,
    done,
    `Run 'titok train ${stage}' that far.`,
  );
}

/** @throws OptionError for images that are streamed */
function inMemory(train: Dataset['train']): ImageSet {
  if (!isStream(train)) return train;
  throw new OptionError(
    'export --to torch: expected a run with images in memory, got one that streams them. Train without --stream.',
  );
}

/** Training images, and the teacher's codes of them and of their mirror images where their class allows these. */
async function dataOf(dataset: ImageDataset, teacher: Teacher | undefined): Promise<Record<string, WritableTensor>> {
  const { count, size, images, labels } = dataset.train;
  const mayFlip = flippable(dataset);
  const plain = {
    images: { shape: [count, 3, size, size], data: images },
    mirrors: { shape: [count], data: Uint8Array.from(labels, (label) => Number(mayFlip(label))) },
  };
  if (!teacher) return plain;
  const views = viewsOf(dataset);
  const found = await encodeViews(dataset, views, (x) => teacher.encode(x).indices);
  const width = found.length / views.length; // G²
  const [codes, mirrored] = [new Int32Array(count * width), new Int32Array(count * width)];
  for (const [i, view] of views.entries())
    (view.mirrored ? mirrored : codes).set(found.subarray(i * width, (i + 1) * width), view.index * width);
  const shape = [count, width];
  const codebook = { shape: teacher.codebook.shape, data: Float32Array.from(await teacher.codebook.data()) };
  return { ...plain, codes: { shape, data: codes }, mirrored_codes: { shape, data: mirrored }, teacher: codebook };
}
