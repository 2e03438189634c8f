/** `titok verify`: what a model computes, written down for PyTorch to compare with. */
import { join } from 'node:path';
import { noGrad, type Tensor, tensor, tensorScope, tidy, valueAndGrad } from '../../core/index.ts';
import { openSafetensors, type WritableTensor, writeSafetensors } from '../../data/index.ts';
import { pick, stateDict } from '../../nn/index.ts';
import { reconstructionLoss, type Teacher, type TiTok, warmupLoss } from '../../titok/index.ts';
import { RunParts } from '../run-parts.ts';
import type { SingleSettings } from '../single.ts';
import { teacher as teacherStage } from '../teacher.ts';
import type { WarmupSettings } from '../warmup.ts';
import { exportedFolder, torchSettings, torchStages } from './folder.ts';

/** Largest difference, relative to the largest value of each tensor; ids must be equal. */
const tolerances = { activation: 1e-4, loss: 1e-5, gradient: 1e-3 } as const;
const imageCount = 4;

/**
 * Writes `folder`/verify.safetensors: images, their ids, latents and outputs, the loss terms, and the gradient of the loss with
 * respect to every parameter that is trained.
 *
 * @returns the file's path
 * @throws CheckpointError when `exportTorch` did not write the folder
 */
export async function verifyTorch(path: string): Promise<string> {
  using _ = tensorScope();
  const { folder, stage } = exportedFolder(path);
  const run = new RunParts(join(folder, 'run'));
  const model = run.model<TiTok>(torchStages[stage]);
  const images = firstImages(join(folder, 'data.safetensors'));
  const teacher = stage === 'warmup' ? run.model(teacherStage) : undefined;
  const codes = teacher && noGrad(() => tidy(() => teacher.encode(images).indices.reshape([images.shape[0], -1])));
  const settings = torchSettings(run, stage);
  const averaged = settings.codebook === 'average';
  const params = pick(stateDict(model), (name) => !(averaged && name.startsWith('quantize.')));
  const { value, grads } = valueAndGrad(params, () => {
    const { z, output, indices, commitmentLoss, quantizerLoss } = model.forward(images);
    const commitment = averaged ? commitmentLoss : quantizerLoss;
    return { z, output, indices, ...termsOf({ images, output, commitment, codes, teacher }, settings) };
  });
  const { z, output, indices, loss, terms } = value;

  const written: Record<string, WritableTensor> = {};
  const add = async (kind: string, named: Readonly<Record<string, Tensor>>) => {
    for (const [name, t] of Object.entries(named)) {
      const values = await t.data();
      written[`${kind}/${name}`] = {
        shape: t.shape,
        data: values instanceof Int32Array ? values : Float32Array.from(values),
      };
    }
  };
  await add('input', { images, ...(codes && teacher && { codes, teacher: teacher.codebook }) });
  await add('activation', { z, output });
  await add('loss', { loss, ...terms });
  await add('gradient', grads);
  await add('output', { ids: indices });
  const file = join(folder, 'verify.safetensors');
  writeSafetensors(file, written, { tolerances: JSON.stringify(tolerances) });
  return file;
}

interface Computed {
  readonly images: Tensor;
  readonly output: Tensor;
  /** The quantizer's part of the loss. */
  readonly commitment: Tensor;
  readonly codes: Tensor | undefined;
  readonly teacher: Teacher | undefined;
}

/** The loss as the stage has it, and its terms by the names of its log. */
function termsOf(
  { images, output, commitment, codes, teacher }: Computed,
  { weights }: WarmupSettings | SingleSettings,
) {
  if ('l2' in weights) {
    const { loss, l2Loss } = reconstructionLoss({ images, reconstruction: output, quantizerLoss: commitment }, weights);
    return { loss, terms: { mse: l2Loss, commitment } };
  }
  const parts = { logits: output, codes: codes!, quantizerLoss: commitment, codebook: teacher!.codebook };
  const { loss, reconstructionLoss: crossEntropy, embeddingLoss } = warmupLoss(parts, weights);
  return { loss, terms: { crossEntropy, commitment, ...(weights.embedding > 0 && { embedding: embeddingLoss }) } };
}

/** The first training images, [n, 3, size, size] in 0..1. */
function firstImages(path: string): Tensor {
  using file = openSafetensors(path);
  const { shape, data } = file.read('images');
  const [count, ...rest] = shape;
  const n = Math.min(count, imageCount);
  return tensor(
    Float32Array.from(data.subarray(0, (n * data.length) / count), (x) => x / 255),
    [n, ...rest],
  );
}
