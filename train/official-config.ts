/**
 * Configuration files of the paper's code, YAML or the JSON of a model hub: TiTok in all its forms, and MaskGIT on its
 * tokens. The other models of that code look much the same and are refused by name.
 *
 * @see https://github.com/bytedance/1d-tokenizer, configs/
 */
import { parse, stringify } from 'yaml';
import * as z from 'zod';
import { OptionError } from '../core/index.ts';
import type { GeneratorConfig, SamplingOptions } from '../maskgit/index.ts';
import { configFromOfficial, officialFromConfig, type TiTokConfig } from '../titok/index.ts';

/** What an official file says of the models. */
export interface OfficialModels {
  readonly tokenizer: TiTokConfig;
  readonly generator?: { readonly config: GeneratorConfig; readonly sampling: SamplingOptions };
}

const whole = (most: number) => z.int().min(1).max(most);
const size = z.union([z.string(), z.strictObject({ width: whole(65_536), layers: whole(1000), heads: whole(65_536) })]);
const vqganSchema = z.looseObject({
  channel_mult: z.array(whole(1000)).min(1).max(12),
  num_res_blocks: whole(1000),
  hidden_channels: whole(65_536),
  z_channels: whole(65_536),
});
const generatorSchema = z.looseObject({
  model_type: z.enum(['ViT', 'UViT']),
  hidden_size: whole(65_536),
  num_hidden_layers: whole(1000),
  num_attention_heads: whole(65_536),
  intermediate_size: whole(1_000_000),
  dropout: z.number().min(0).lt(1),
  attn_drop: z.number().min(0).lt(1),
  num_steps: whole(1000),
  image_seq_len: whole(65_536),
  condition_num_classes: whole(1_000_000),
  randomize_temperature: z.number().min(0).max(1000),
  guidance_scale: z.number().min(0).max(1000),
  guidance_decay: z.enum(['constant', 'linear', 'power-cosine']),
});
const schema = z.looseObject({
  model: z.looseObject({
    vq_model: z.looseObject({
      codebook_size: whole(10_000_000).optional(),
      token_size: whole(65_536),
      use_l2_norm: z.boolean().optional(),
      commitment_cost: z.number().min(0).optional(),
      vit_enc_model_size: size,
      vit_dec_model_size: size,
      vit_enc_patch_size: whole(4096),
      vit_dec_patch_size: whole(4096),
      num_latent_tokens: whole(65_536),
      finetune_decoder: z.boolean().optional(),
      clustering_vq: z.boolean().optional(),
      quantize_mode: z.enum(['vq', 'vae']).optional(),
      is_legacy: z.boolean().optional(),
      proxy_codebook_size: whole(10_000_000).optional(),
      head: z.enum(['proxy', 'pixels']).optional(),
    }),
    pixel_decoder: vqganSchema.optional(),
    generator: generatorSchema.optional(),
  }),
  dataset: z.looseObject({ preprocessing: z.looseObject({ crop_size: whole(4096) }) }),
});

/**
 * Reads a configuration file.
 *
 * @param where  names the file in errors
 * @throws OptionError when it is no such file, that of another model, or when settings are missing or contradict each other
 */
export function parseOfficial(text: string, where: string): OfficialModels {
  const fail = (expected: string, got: string): never => {
    throw new OptionError(`${where}: expected ${expected}, got ${got}.`);
  };
  const root = parsed(text, where);
  const other = otherModel(root);
  if (other) return fail('the configuration of a TiTok or of a MaskGIT on its tokens', `that of ${other}`);
  const { model, dataset } = root;
  const result = schema.safeParse({
    model: resolved(model, root, where),
    dataset: { preprocessing: resolved(asRecord(dataset)['preprocessing'], root, where) },
  });
  if (!result.success) {
    const { path, message } = result.error.issues[0];
    return fail(`a configuration of the paper's code with ${path.join('.')}`, message.replace(/^Invalid input: /, ''));
  }
  const official = result.data;
  const tokenizer = withFile(where, () => configFromOfficial(official));
  const { generator } = official.model;
  return { tokenizer, ...(generator && { generator: generatorOf(generator, tokenizer.codebookSize) }) };
}

/** A tokenizer's configuration as YAML, which `parseOfficial` reads: for models without a pixel decoder. */
export const officialText = (config: TiTokConfig): string => stringify(officialFromConfig(config));

function generatorOf(
  given: z.output<typeof generatorSchema>,
  codebookSize: number,
): NonNullable<OfficialModels['generator']> {
  const isUVit = given.model_type === 'UViT';
  const guidance = given.guidance_decay;
  return {
    config: {
      architecture: isUVit ? 'uvit' : 'bert',
      codebookSize,
      latentTokens: given.image_seq_len,
      classes: given.condition_num_classes,
      width: given.hidden_size,
      layers: given.num_hidden_layers,
      heads: given.num_attention_heads,
      mlpWidth: given.intermediate_size,
      dropout: isUVit ? 0 : given.dropout, // the official U-ViT ignores both
      attentionDropout: isUVit ? 0 : given.attn_drop,
      initializerRange: 0.02,
    },
    sampling: {
      steps: given.num_steps,
      guidance,
      guidanceScale: given.guidance_scale,
      ...(guidance === 'power-cosine' && { guidancePower: 3 }), // the default of the official code
      randomizeTemperature: given.randomize_temperature,
      annealing: true, // as the official sampling script has it
    },
  };
}

type Tree = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const asRecord = (value: unknown): Tree => (isRecord(value) ? value : {});

/** The file, or its `config` where a hub wraps it. */
function parsed(text: string, where: string): Tree {
  let root: unknown;
  try {
    root = parse(text, { version: '1.1', maxAliasCount: 100 }); // 1_000 is a number, as for Python's YAML
  } catch (error) {
    throw new OptionError(`${where}: expected YAML or JSON, got ${(error as Error).message.split('\n')[0]}`);
  }
  const config = isRecord(root) && isRecord(root['config']) ? root['config'] : root;
  if (isRecord(config) && isRecord(config['model'])) return config;
  throw new OptionError(
    `${where}: expected a configuration of the paper's code, with a section 'model', got another file.`,
  );
}

/** The model that a file describes, if it is none of those that are read. */
function otherModel(root: Tree): string | undefined {
  const model = asRecord(root['model']);
  const [vq, experiment] = [asRecord(model['vq_model']), asRecord(root['experiment'])];
  const params = asRecord(asRecord(root['dataset'])['params']);
  if ('maskgen' in model) return 'MaskGen, which generates from text';
  if ('generator' in model && !('vit_enc_model_size' in vq)) return 'RAR, which generates codes of a 2-D tokenizer';
  const namesIt = Object.values(experiment).some((value) => /ta-?ti-?tok/i.test(`${value}`));
  const readsText = ['text_context_length', 'text_embed_dim'].some((name) => name in vq);
  if (namesIt || readsText || params['dataset_with_text_label'] === true) return 'TA-TiTok, which decodes with a text';
  return undefined;
}

/** A part of the file with the values that `${a.b}` stands for. @throws OptionError when there is none */
function resolved(value: unknown, root: Tree, where: string, open: readonly string[] = []): unknown {
  if (Array.isArray(value)) return value.map((item) => resolved(item, root, where, open));
  if (isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolved(item, root, where, open)]));
  const name = typeof value === 'string' ? /^\$\{([^}]*)\}$/.exec(value)?.[1] : undefined;
  if (name === undefined) return value;
  const found = open.includes(name)
    ? undefined
    : name.split('.').reduce<unknown>((tree, key) => (Object.hasOwn(asRecord(tree), key) ? asRecord(tree)[key] : undefined), root); // biome-ignore format: one thought
  if (found !== undefined) return resolved(found, root, where, [...open, name]);
  throw new OptionError(
    `${where}: expected a value for \${${name}}, got ${open.includes(name) ? 'a circle' : 'none'}.`,
  );
}

/** Names the file in front of what is wrong with its values. */
function withFile<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof OptionError) throw new OptionError(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}
