/**
 * The part of an export with which the paper's own code goes on: its two stages, by WebDataset shards, YAML files and a script.
 * That code knows three sizes of transformers and one teacher, so that small models have titok.py alone.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { type Dataset, shardPictures, writeFileAtomic, writeShards } from '../../data/index.ts';
import { officialFromConfig, publishedVqgan, type TeacherConfig, type TiTokConfig } from '../../titok/index.ts';

/** What the official code would have to know of a training. */
export interface OfficialTraining {
  readonly config: TiTokConfig;
  readonly teacher: TeacherConfig;
  /** Updates that the teacher was trained here; 0: its weights are as they came. */
  readonly teacherSteps: number;
}

/** Why the official code cannot go on with a model; undefined when it can. */
export function whyNotOfficial({ config, teacher, teacherSteps }: OfficialTraining): string | undefined {
  const { vit_enc_model_size: encoder, vit_dec_model_size: decoder } = officialFromConfig(config).model.vq_model;
  for (const [name, size] of Object.entries({ encoder, decoder }))
    if (typeof size !== 'string')
      return `its ${name} is small, base or large, and this one has ${size.layers} layers of width ${size.width}`;
  if (!config.legacy) return 'its models of two stages are legacy ones (--model-legacy)';
  if (!isDeepStrictEqual(teacher, publishedVqgan) || teacherSteps > 0)
    return 'its teacher is the published MaskGIT-VQGAN as it is (titok train teacher --teacher published --weights-from FILE --steps 0)';
  return undefined;
}

/**
 * Writes `folder`: stage1.yaml, stage2.yaml, train.sh, weights.py, and the images as shards in `folder`/shards.
 *
 * @throws DataError as `writeShards`
 */
export async function writeOfficial(folder: string, config: TiTokConfig, dataset: Dataset): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const at = join(folder, 'shards');
  const { names: train } = await writeShards(shardPictures(dataset.train), at, 'train');
  const { names: heldOut } = await writeShards(shardPictures(dataset.validation), at, 'val');
  const shards = { train, eval: heldOut };
  for (const stage of [1, 2] as const) {
    const text = officialTraining(stage, config, dataset, shards);
    writeFileAtomic(join(folder, `stage${stage}.yaml`), [new TextEncoder().encode(text)]);
  }
  for (const name of ['train.sh', 'weights.py'])
    copyFileSync(fileURLToPath(new URL(`./python/official/${name}`, import.meta.url)), join(folder, name));
}

/** What OmegaConf replaces by a variable of the environment. train.sh sets HERE and WEIGHTS. */
const variable = (name: string): string => `\${oc.env:${name}}`;

/** A configuration file of a stage, with the paper's settings. */
function officialTraining(
  stage: 1 | 2,
  config: TiTokConfig,
  { train, classes, mirrored = [], size }: Dataset,
  shards: { readonly train: string; readonly eval: string },
): string {
  const { model, dataset } = officialFromConfig(config);
  const isFirst = stage === 1;
  const name = `stage${stage}`;
  const learningRate = 1e-4;
  return stringify({
    experiment: {
      project: 'titok',
      name,
      output_dir: `${variable('HERE')}/${name}`,
      max_train_examples: train.count,
      save_every: 50_000,
      eval_every: 50_000,
      generate_every: 5_000,
      log_every: 50,
      log_grad_norm_every: 1_000,
      resume: true,
      init_weight: variable('WEIGHTS'),
    },
    model: {
      vq_model: {
        ...model.vq_model,
        ...(isFirst ? {} : { commitment_cost: 0 }),
        finetune_decoder: !isFirst,
        pretrained_tokenizer_weight: 'maskgit-vqgan-imagenet-f16-256.bin',
      },
    },
    losses: isFirst
      ? { quantizer_weight: 1 }
      : {
          discriminator_start: 20_000,
          quantizer_weight: 0,
          discriminator_factor: 1,
          discriminator_weight: 0.01,
          perceptual_loss: 'convnext_s',
          perceptual_weight: 0.1,
          reconstruction_loss: 'l2',
          reconstruction_weight: 1,
          lecam_regularization_weight: 0.001,
        },
    dataset: {
      params: {
        train_shards_path_or_url: `${variable('HERE')}/shards/${shards.train}`,
        eval_shards_path_or_url: `${variable('HERE')}/shards/${shards.eval}`,
        num_workers_per_gpu: 12,
        dataset_with_class_label: true,
        dataset_with_text_label: false,
      },
      preprocessing: {
        ...dataset.preprocessing,
        resize_shorter_edge: size,
        random_crop: false, // the shards hold squares
        random_flip: mirrored.length === classes.length,
        res_ratio_filtering: false,
      },
    },
    optimizer: {
      name: 'adamw',
      params: {
        learning_rate: learningRate,
        ...(isFirst ? {} : { discriminator_learning_rate: learningRate }),
        beta1: 0.9,
        beta2: isFirst ? 0.99 : 0.999,
        weight_decay: 1e-4,
      },
    },
    lr_scheduler: {
      scheduler: 'cosine',
      params: { learning_rate: learningRate, warmup_steps: isFirst ? 10_000 : 5_000, end_lr: 1e-5 },
    },
    training: {
      gradient_accumulation_steps: 1,
      per_gpu_batch_size: 32,
      mixed_precision: 'fp16',
      enable_tf32: true,
      enable_wandb: false,
      use_ema: true,
      seed: 42,
      max_train_steps: isFirst ? 1_000_000 : 500_000,
      num_generated_images: 2,
      max_grad_norm: 1,
    },
  });
}
