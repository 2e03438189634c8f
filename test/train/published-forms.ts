/** Small models of every published form, with random weights, and the files that they come in. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Rng, randn } from '../../core/index.ts';
import { writeSafetensors } from '../../data/index.ts';
import { createGenerator } from '../../maskgit/index.ts';
import { stateDict } from '../../nn/index.ts';
import { type OfficialVqganConfig, TiTok } from '../../titok/index.ts';
import { parseOfficial } from '../../train/index.ts';
import { writeTorchFile } from './torch-writer.ts';

export type Tensors = Record<string, { shape: readonly number[]; data: Float32Array }>;

const sizes = { width: 16, layers: 1, heads: 2 };
const pixelDecoder: OfficialVqganConfig = {
  channel_mult: [1, 1, 2],
  num_res_blocks: 1,
  hidden_channels: 32,
  z_channels: 6,
};

const vq = {
  codebook_size: 9,
  token_size: 5,
  use_l2_norm: true,
  commitment_cost: 0.25,
  vit_enc_model_size: sizes,
  vit_dec_model_size: sizes,
  vit_enc_patch_size: 4,
  vit_dec_patch_size: 4,
  num_latent_tokens: 3,
};
const generator = {
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 32,
  dropout: 0.1,
  attn_drop: 0.1,
  num_steps: 4,
  class_label_dropout: 0.1,
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference, as in the official files
  image_seq_len: '${model.vq_model.num_latent_tokens}',
  condition_num_classes: 1000,
  randomize_temperature: 2.5,
  guidance_scale: 3.5,
};
const dataset = { preprocessing: { crop_size: 8 } };
const stage2 = { ...vq, proxy_codebook_size: 10, finetune_decoder: true };

/** Tokenizers as the official configurations describe them. */
export const tokenizers = {
  'stage 2': { model: { vq_model: stage2, pixel_decoder: pixelDecoder }, dataset },
  'single stage, VQ': {
    model: { vq_model: { ...vq, use_l2_norm: false, finetune_decoder: false, is_legacy: false } },
    dataset,
  },
  'single stage, VAE': {
    model: {
      vq_model: {
        quantize_mode: 'vae',
        token_size: 4,
        vit_enc_model_size: sizes,
        vit_dec_model_size: sizes,
        vit_enc_patch_size: 4,
        vit_dec_patch_size: 4,
        num_latent_tokens: 3,
        finetune_decoder: false,
        is_legacy: false,
      },
    },
    dataset,
  },
} as const;

/** Generators, with the configuration of the tokenizer that they belong to. */
export const generators = {
  ViT: withGenerator({ model_type: 'ViT', guidance_decay: 'linear' }),
  UViT: withGenerator({ model_type: 'UViT', guidance_decay: 'power-cosine' }),
} as const;

function withGenerator(kind: object) {
  return {
    model: { vq_model: stage2, pixel_decoder: pixelDecoder, generator: { ...generator, ...kind } },
    dataset,
  };
}

/** Random weights; a little of them everywhere, so that no part of a model goes unnoticed. */
export function randomTensors(model: object, seed: number): Tensors {
  const rng = new Rng(seed);
  return Object.fromEntries(
    Object.entries(stateDict(model)).map(([name, { shape }]) => [
      name,
      { shape, data: Float32Array.from(randn(shape, rng).mul(0.2).dataSync()) },
    ]),
  );
}

export const tokenizerTensors = (config: object): Tensors =>
  randomTensors(new TiTok(parseOfficial(JSON.stringify(config), 'test').tokenizer, new Rng(0)), 1);
export const generatorTensors = (config: object): Tensors =>
  randomTensors(createGenerator(parseOfficial(JSON.stringify(config), 'test').generator!.config, new Rng(0)), 2);

/** Writes weights and returns what --model is given, and --config where there is none beside them. */
type Container = (folder: string, tensors: Tensors, config: object) => { model: string; config?: string };

const hubFolder = (folder: string, config: object, text = JSON.stringify(config, null, 2)): void => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), text);
};
const yaml = (folder: string, config: object): string => {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'config.yaml');
  writeFileSync(path, toYaml(config));
  return path;
};
/** As the official files are written. */
const toYaml = (tree: object, indent = ''): string =>
  Object.entries(tree)
    .map(([name, value]) =>
      typeof value === 'object' && !Array.isArray(value)
        ? `${indent}${name}:\n${toYaml(value, `${indent}    `)}`
        : `${indent}${name}: ${value === true ? 'True' : value === false ? 'False' : Array.isArray(value) ? JSON.stringify(value) : value}\n`,
    )
    .join('');
const prefixed = (tensors: Tensors, prefix: string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, t]) => [prefix + name, t]));

export const containers: Readonly<Record<string, Container>> = {
  'a hub folder': (folder, tensors, config) => {
    hubFolder(folder, config);
    writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
    return { model: folder };
  },
  'model.safetensors in float16, beside its configuration': (folder, tensors, config) => {
    hubFolder(folder, { config });
    const half = Object.entries(tensors).map(([name, t]) => [name, { ...t, dtype: 'F16' }] as const);
    writeSafetensors(join(folder, 'model.safetensors'), Object.fromEntries(half));
    return { model: join(folder, 'model.safetensors') };
  },
  'a sharded folder': (folder, tensors, config) => {
    hubFolder(folder, config);
    const map: Record<string, string> = {};
    for (const half of [0, 1]) {
      const file = `model-0000${half + 1}-of-00002.safetensors`;
      const own = Object.entries(tensors).filter((_, i) => i % 2 === half);
      for (const [name] of own) map[name] = file;
      writeSafetensors(join(folder, file), Object.fromEntries(own));
    }
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
    return { model: folder };
  },
  'a .bin of PyTorch, with YAML': (folder, tensors, config) => {
    const file = yaml(folder, config);
    writeTorchFile(join(folder, 'weights.bin'), tensors);
    return { model: join(folder, 'weights.bin'), config: file };
  },
  'pytorch_model.bin in a folder, of a parallel and compiled model, with old buffers': (folder, tensors, config) => {
    hubFolder(folder, config);
    const old = {
      ...tensors,
      'model.embeddings.position_ids': { shape: [1, 4], data: Float32Array.from([0, 1, 2, 3]) },
    };
    writeTorchFile(join(folder, 'pytorch_model.bin'), prefixed(old, 'module._orig_mod.'));
    return { model: folder };
  },
};
