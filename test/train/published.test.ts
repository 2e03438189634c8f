/** Published models: every form in every container, their configurations, and what is refused. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { metaDevice, Rng, withDevice } from '../../core/index.ts';
import { openTensorFile, writeSafetensors } from '../../data/index.ts';
import { createGenerator, publishedGenerators, publishedSampling } from '../../maskgit/index.ts';
import { countParameters, parameterShapes, stateDict } from '../../nn/index.ts';
import { checkConfig, presets, Teacher, TiTok, type VqganConfig } from '../../titok/index.ts';
import { imagenetClasses } from '../../train/imagenet-classes.ts';
import {
  classIndex,
  generate,
  latentsOf,
  loadModel,
  openPublished,
  openPublishedTeacher,
  parseHubName,
  parseOfficial,
  recognize,
  reconstruct,
  SizedTeacher,
  tokenize,
} from '../../train/index.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { officialShapes } from '../titok/official-shapes.ts';
import {
  containers,
  generators,
  generatorTensors,
  randomTensors,
  tokenizers,
  tokenizerTensors,
} from './published-forms.ts';
import { writeTorchFile } from './torch-writer.ts';

const picture = { width: 8, height: 8, data: Uint8Array.from({ length: 192 }, (_, i) => (i * 37) % 256) };

/** Largest difference of a model's weights from those in the file. */
function difference(model: object, tensors: ReturnType<typeof randomTensors>): number {
  const differences = Object.entries(stateDict(model)).flatMap(([name, p]) =>
    Array.from(p.dataSync(), (x, i) => Math.abs(x - tensors[name].data[i])),
  );
  return differences.reduce((a, b) => Math.max(a, b));
}

for (const [container, write] of Object.entries(containers)) {
  const tolerance = container.includes('float16') ? 1e-3 : 0;

  for (const [form, config] of Object.entries(tokenizers)) {
    test(`${form} from ${container}: loads, encodes, decodes`, async (t) => {
      const tensors = tokenizerTensors(config);
      const { model: path, config: file } = write(join(temporaryFolder(t), 'tokenizer_x'), tensors, config);
      const { tokenizer, generator } = await loadModel(path, undefined, { config: file });
      assert.equal(generator, undefined);
      assert.ok(difference(tokenizer, tensors) <= tolerance);
      const byUrl = await loadModel(pathToFileURL(path), undefined, { config: file });
      assert.deepEqual(byUrl.tokenizer.config, tokenizer.config);
      const [{ output, psnr }] = await reconstruct(tokenizer, [picture]);
      assert.deepEqual([output.width, output.height], [8, 8]);
      assert.ok(psnr > 0);
      if (form.includes('VAE')) {
        const [latents] = await latentsOf(tokenizer, [picture]);
        assert.deepEqual([latents.length, latents[0].length], [3, 4]);
        await assert.rejects(tokenize(tokenizer, [picture]), /expected quantizeMode 'vq', got 'vae'/);
      } else {
        const [tokens] = await tokenize(tokenizer, [picture]);
        assert.ok(tokens.length === 3 && tokens.every((token) => token >= 0 && token < 9));
      }
    });
  }

  for (const [form, config] of Object.entries(generators)) {
    test(`a generator ${form} from ${container}: samples with the tokenizer beside it`, async (t) => {
      const folder = temporaryFolder(t);
      write(join(folder, 'tokenizer_x'), tokenizerTensors(config), config);
      const tensors = generatorTensors(config);
      const { model: path, config: file } = write(join(folder, 'generator_x'), tensors, config);
      const options = path.endsWith('x') ? {} : { tokenizer: path.replace('generator_x', 'tokenizer_x') };
      const model = await loadModel(path, undefined, { ...options, config: file });
      assert.ok(difference(model.generator!, tensors) <= tolerance);
      assert.deepEqual([model.sampling.steps, model.sampling.guidanceScale, model.sampling.annealing], [4, 3.5, true]);
      const [a, b] = await generate(model, 'goldfish', { count: 2 });
      assert.deepEqual([a.width, a.height], [8, 8]);
      const [again] = await generate(model, '1', { count: 2 });
      assert.deepEqual(again, a, 'a class by its number');
      assert.notDeepEqual(b, a);
    });
  }
}

test('the teacher: its sizes are those of its tensors', async (t) => {
  const config: VqganConfig = {
    kind: 'vqgan',
    hiddenChannels: 32,
    channelMult: [1, 2, 1],
    resBlocks: 2,
    zChannels: 6,
    codebookSize: 10,
  };
  const tensors = randomTensors(new Teacher(config, new Rng(0)), 3);
  const path = join(temporaryFolder(t), 'maskgit-vqgan-imagenet-f16-256.bin');
  writeTorchFile(path, tensors);
  const teacher = openPublishedTeacher(path);
  assert.deepEqual(teacher.config, config);
  assert.equal(difference(teacher, tensors), 0);
  const sized = new SizedTeacher(teacher, 8);
  assert.deepEqual((await tokenize(sized, [picture]))[0].length, 4);
  assert.equal((await reconstruct(sized, [picture]))[0].output.width, 8);
  assert.throws(() => new SizedTeacher(teacher, 10), /imageSize: expected a multiple of 4, got 10/);
  await assert.rejects(loadModel(path), /expected the weights of a tokenizer, got a teacher/);
});

test('every published tokenizer and generator: names, order, shapes and counts as in the official code', () => {
  const official = officialShapes();
  const counts = { s128: 294_990_848, b64: 177_227_008, l32: 177_202_432 };
  for (const [name, count] of Object.entries(counts)) {
    const config = publishedGenerators[name as keyof typeof counts];
    const make = () => createGenerator(config, new Rng(0));
    const shapes = parameterShapes(make);
    const sorted = (entries: [string, readonly number[]][]) => entries.map(([n, s]) => `${n} ${s}`).sort();
    assert.deepEqual(
      sorted(Object.entries(shapes)),
      sorted(official.get(`generator ${name}`)!.filter(([name]) => !name.endsWith('position_ids'))),
      name,
    );
    assert.equal(
      withDevice(metaDevice, () => countParameters(make())),
      count,
      name,
    );
  }
  for (const name of ['b64', 'bl128', 'sl256', 'bl64vae', 'bl128vae'] as const) {
    const shapes = parameterShapes(() => new TiTok(presets[name], new Rng(0)));
    assert.deepEqual(Object.entries(shapes), official.get(name), name);
  }
});

test('each class of ImageNet has a name of its own', () => {
  assert.deepEqual([imagenetClasses.length, new Set(imagenetClasses).size], [1000, 1000]);
  assert.deepEqual(
    ['crane', 'crane2', '517', 'tench'].map((name) => classIndex(name, imagenetClasses)),
    [134, 517, 517, 0],
  );
});

test('official configurations: TiTok, VAE and MaskGIT as YAML with references', () => {
  const yaml = (vq: string, more = '') => `
experiment:
    output_dir: "made_up"
    max_train_examples: 1_000
model:
    vq_model:
${vq.replace(/^/gm, '        ')}
${more}
dataset:
    preprocessing:
        crop_size: 256
optimizer:
    params: {learning_rate: 1e-4}
`;
  const sizes = (size: string, tokens: number) =>
    `vit_enc_model_size: "${size}"\nvit_dec_model_size: "${size}"\nvit_enc_patch_size: 16\nvit_dec_patch_size: 16\nnum_latent_tokens: ${tokens}`;
  const quantizer = 'codebook_size: 4_096\ntoken_size: 12\nuse_l2_norm: True\ncommitment_cost: 0.25';
  const generator = `    generator:
        model_type: "ViT"
        hidden_size: 768
        num_hidden_layers: 24
        num_attention_heads: 16
        intermediate_size: 3072
        dropout: 0.1
        attn_drop: 0.1
        num_steps: 8
        image_seq_len: \${model.vq_model.num_latent_tokens}
        condition_num_classes: 1000
        randomize_temperature: 9.5
        guidance_scale: 4.5
        guidance_decay: "linear"`;
  const read = (text: string) => parseOfficial(text, 'made-up.yaml');
  const l32 = read(yaml(`${quantizer}\n${sizes('large', 32)}\nfinetune_decoder: True`, generator));
  assert.deepEqual(l32.tokenizer, presets.l32);
  assert.deepEqual(l32.generator, { config: publishedGenerators.l32, sampling: publishedSampling.l32 });
  assert.deepEqual(
    read(yaml(`quantize_mode: "vae"\ntoken_size: 16\n${sizes('large', 32)}\nfinetune_decoder: False\nis_legacy: False`))
      .tokenizer,
    presets.ll32vae,
  );
  const uvit = generator.replace('"ViT"', '"UViT"').replace('"linear"', '"power-cosine"');
  const { generator: read128 } = read(yaml(`${quantizer}\n${sizes('small', 128)}`, uvit));
  assert.deepEqual(
    [read128?.config.architecture, read128?.config.dropout, read128?.sampling.guidancePower],
    ['uvit', 0, 3],
  );

  const titok = `${quantizer}\n${sizes('base', 64)}`;
  assert.equal(read(yaml(`${titok}\nclustering_vq: True`)).tokenizer.quantizer, 'clustering');
  assert.equal(read(yaml(`${titok}\nclustering_vq: False`)).tokenizer.quantizer, undefined);
  const refused: [text: string, message: RegExp][] = [
    [yaml(`${titok}\ntext_embed_dim: 768`), /got that of TA-TiTok, which decodes with a text\./],
    [yaml(titok).replace('made_up', 'tatitok_b64'), /TA-TiTok/],
    [yaml(titok).replace('preprocessing:', 'params: {dataset_with_text_label: True}\n    preprocessing:'), /TA-TiTok/],
    [yaml(titok, '    maskgen: {decoder_depth: 16}'), /got that of MaskGen, which generates from text\./],
    [
      yaml('codebook_size: 1024\ntoken_size: 256', generator),
      /got that of RAR, which generates codes of a 2-D tokenizer\./,
    ],
    [
      yaml(titok, generator.replace('num_latent_tokens}', 'tokens}')),
      /expected a value for \$\{model\.vq_model\.tokens\}, got none/,
    ],
    [yaml(titok.replace('4_096', `\${model.vq_model.codebook_size}`)), /got a circle/],
    [
      yaml(titok.replace('token_size: 12', '')),
      /made-up\.yaml: .* with model\.vq_model\.token_size, got expected number, received undefined/,
    ],
    [
      yaml(titok.replace('use_l2_norm: True', '')),
      /made-up\.yaml: use_l2_norm: expected true or false with quantize_mode vq/,
    ],
    [yaml(titok.replace('"base"', '"huge"')), /expected one of small, base, large, got huge/],
    ['a: [1', /made-up\.yaml: expected YAML or JSON/],
    ['hidden_size: 768', /with a section 'model', got another file/],
  ];
  for (const [text, message] of refused) assert.throws(() => read(text), { name: 'OptionError', message });
});

test('presets of 512 × 512 pixels', () => {
  for (const name of ['l64', 'b128'] as const) {
    checkConfig(presets[name]);
    assert.equal((presets[name].imageSize / presets[name].encoder.patchSize) ** 2, 256);
  }
});

test('weights that do not say their sizes, or are of another model', (t) => {
  const folder = temporaryFolder(t);
  const config = tokenizers['stage 2'];
  const tensors = tokenizerTensors(config);
  const path = join(folder, 'weights.safetensors');
  const write = (changed: typeof tensors) => writeSafetensors(path, changed);
  const fails = (options: object, message: RegExp, name = 'CheckpointError') =>
    assert.throws(() => openPublished(path, options), { name, message });

  write(tensors);
  fails({}, /^--preset: .* one of s128, .* or a --config, got none/, 'OptionError');
  fails({ preset: 's128' }, /'latent_tokens' is \[3, 16\] in the file, \[128, 512\] in the model of preset s128/);
  fails(
    { config: join(folder, 'none.yaml') },
    /none\.yaml: expected a configuration of the paper's code, got ENOENT/,
    'OptionError',
  );
  const one = { shape: [1], data: new Float32Array(1) };
  for (const [name, message] of [
    ['decoder.text_guidance_proj.weight', /those of TA-TiTok/],
    ['target_aware_pos_embed', /those of RAR/],
    ['text_emb.weight', /those of MaskGen/],
  ] as const) {
    write({ ...tensors, [name]: one });
    fails({}, message);
    using file = openTensorFile(path);
    assert.match(recognize(file)!, /TA-TiTok|RAR|MaskGen/);
  }
  write({ bias: one });
  fails({}, /or published weights of a TiTok or of a MaskGIT on its tokens, got tensors named bias, …/);
  const { model } = config;
  write(tensors);
  const wrong = join(folder, 'config.json');
  writeFileSync(
    wrong,
    JSON.stringify({ ...config, model: { ...model, vq_model: { ...model.vq_model, token_size: 6 } } }),
  );
  fails({}, /'encoder\.conv_out\.weight' is \[5, 16, 1, 1\] in the file, \[6, 16, 1, 1\] in the model/);
  writeFileSync(wrong, JSON.stringify(config));
  const { decoder: _, ...longs } = {
    decoder: 0,
    'quantize.embedding.weight': { shape: [9, 5], data: new Int32Array(45) },
  };
  writeSafetensors(path, { ...tensors, ...longs });
  fails({}, /expected numbers with a fraction in 'quantize\.embedding\.weight', got I32/);
  write({ ...tensors, 'quantize.position_ids': one });
  assert.equal(openPublished(path).tokenizer.config.latentTokens, 3);

  const generator = join(folder, 'generator.safetensors');
  writeSafetensors(generator, generatorTensors(generators.ViT));
  writeFileSync(join(folder, 'g.json'), JSON.stringify(generators.ViT));
  assert.throws(() => openPublished(generator), /expected a configuration with a generator, got one without/);
  assert.throws(
    () => openPublished(generator, { config: join(folder, 'g.json') }),
    /^OptionError: --tokenizer: expected the weights of the tokenizer/,
  );
  assert.throws(
    () => openPublished(generator, { config: join(folder, 'g.json'), tokenizer: generator }),
    /expected the weights of a tokenizer, got a generator/,
  );
});

test('names on the hub, and paths', () => {
  assert.deepEqual(parseHubName('yucornetto/tokenizer_titok_s128_imagenet'), {
    repository: 'yucornetto/tokenizer_titok_s128_imagenet',
    file: undefined,
    revision: undefined,
  });
  assert.deepEqual(parseHubName('fun-research/TiTok/tokenizer_titok_l32.bin@v1.0'), {
    repository: 'fun-research/TiTok',
    file: 'tokenizer_titok_l32.bin',
    revision: 'v1.0',
  });
  for (const path of [
    './a/b',
    '/a/b',
    '../a',
    'test/nothing',
    'mine.safetensors',
    'folder/mine.safetensors',
    'a/b/../c',
    'a/b@../c',
    'emoji-32',
  ])
    assert.equal(parseHubName(path), undefined, path);
});
