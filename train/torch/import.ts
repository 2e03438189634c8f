/** `titok import`: what PyTorch has trained, as the checkpoint of a run. */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { CheckpointError, OptionError, show } from '../../core/index.ts';
import { type Checkpoint, loadCheckpoint, openTensorFile, type RawTensor, saveCheckpoint } from '../../data/index.ts';
import { metaOf, RunFolder, type SavedMeta } from '../run-folder.ts';
import { savedPart } from '../saved.ts';
import { exportedFolder, type TorchStageName } from './folder.ts';

type Groups = Checkpoint['groups'];

/** What train.py writes beside its tensors. */
const trainedSchema = z.looseObject({
  settings: z.looseObject({
    steps: z.int(),
    batchSize: z.int(),
    learningRate: z.number(),
    muonLearningRate: z.number(),
  }),
  done: z.int().min(0),
  /** Time of the updates there; 0 in files of earlier versions. */
  seconds: z.number().min(0).default(0),
  updates: z.record(z.string(), z.int().min(0)),
  recent: z.array(z.object({ loss: z.number() }).catchall(z.number())),
});

/** What `importTorch` found. */
export interface Imported {
  readonly stage: TorchStageName;
  /** Updates so far; those of the export when the file does not say. */
  readonly done: number;
  /** Whether the optimizer goes on, too: false for weights alone, whose optimizer starts from zero. */
  readonly hasOptimizer: boolean;
}

/**
 * Brings a training back from PyTorch into a new run.
 *
 * @param path       the folder that `exportTorch` wrote, with what train.py wrote into it; or weights below it, a file or a
 *                   folder, which have the names of the paper's code: `.safetensors`, or PyTorch's `.bin`, `.pt`, `.pth`
 * @param runFolder  of the run
 * @param overwrite  replaces a run that is there. Default: false
 * @throws CheckpointError when the weights are missing, damaged or of another model; OptionError when the run is there
 */
export async function importTorch(
  path: string,
  runFolder: string,
  { overwrite = false }: { readonly overwrite?: boolean } = {},
): Promise<Imported> {
  const { folder, stage } = exportedFolder(path);
  const file = resolve(path) === resolve(folder) ? join(folder, 'trained.safetensors') : path;
  if (!existsSync(file))
    throw new CheckpointError(`${file}: expected what train.py writes, got no file. Run it first: torchrun train.py.`);
  const run = new RunFolder(runFolder);
  if (run.trained.length > 0 && !overwrite)
    throw new OptionError(
      `--name: expected a new run, got ${runFolder}, which has checkpoints. Give another name, or --overwrite.`,
    );
  const exported = join(folder, 'run', `${stage}.safetensors`);
  const before = loadCheckpoint(exported, { stage });
  const { groups, meta, hasOptimizer } = broughtBack(file, before.groups, metaOf(exported, before.meta));
  metaOf(file, meta);

  mkdirSync(runFolder, { recursive: true });
  using _ = run.lock();
  const brought = new RunFolder(join(runFolder, 'imported')); // whole before it replaces what is there
  try {
    await saveCheckpoint(brought.checkpoint({ name: stage }), { groups, meta });
    const teacher = join(folder, 'run', 'teacher.safetensors');
    if (existsSync(teacher)) copyFileSync(teacher, brought.checkpoint({ name: 'teacher' }));
    run.clear();
    for (const name of brought.trained) renameSync(brought.checkpoint({ name }), run.checkpoint({ name }));
  } finally {
    rmSync(brought.folder, { recursive: true, force: true });
  }
  return { stage, done: meta.state.done, hasOptimizer };
}

/** The checkpoint with what a file has in place of it. PyTorch keeps no averages of weights, so these begin again at its weights. */
function broughtBack(path: string, groups: Groups, meta: SavedMeta) {
  using file = openTensorFile(path);
  const json = file.metadata['training'];
  const read = (name: string, like: RawTensor, key: string): RawTensor => {
    const found = file.entries.get(key);
    if (found && show(found.shape) === show(like.shape)) return file.read(key);
    throw new CheckpointError(
      `${path}: expected '${name}' ${show(like.shape)}, got ${found ? show(found.shape) : 'a file without it'}. Is it of this export?`,
    );
  };
  if (json === undefined) {
    const model = mapped(groups['model'], (like, name) => read(name, like, name));
    const optimizers = Object.keys(meta.state.optimizers);
    const fresh = Object.fromEntries(
      optimizers.map((kind) => [`optimizer.${kind}`, mapped(groups[`optimizer.${kind}`], zeros)]),
    );
    const state = { ...meta.state, optimizers: Object.fromEntries(optimizers.map((kind) => [kind, 0])) };
    const own = unfolded(model, meta.settings['model'] as Folded);
    const averages = averagesFrom(own, groups);
    const all = {
      ...groups,
      ...averages,
      model: own,
      ...fresh,
      codebook: codebookFrom(own['quantize.embedding.weight']),
    };
    return { groups: all, meta: { ...meta, state }, hasOptimizer: false };
  }
  const { settings, done, seconds, updates, recent } = savedPart(trainedSchema, parsed(json, path), path, 'training');
  const { steps, batchSize, learningRate, muonLearningRate } = settings;
  const { [average]: _, ...there } = groups;
  const all = mapped(there, (members, group) => mapped(members, (like, name) => read(name, like, `${group}/${name}`)));
  const spent = {
    seconds: meta.loop.seconds + seconds,
    images: meta.loop.images + (done - meta.state.done) * batchSize,
  };
  return {
    groups: { ...all, ...averagesFrom(all['model'], groups) },
    meta: {
      ...meta,
      settings: { ...meta.settings, steps, batchSize, learningRate, muonLearningRate },
      loop: { ...spent, recent },
      state: { ...meta.state, done, optimizers: updates },
    },
    hasOptimizer: true,
  };
}

const average = 'ema.model';

/** The averages that a training keeps, as the weights that they are of. */
const averagesFrom = (model: Record<string, RawTensor>, { [average]: before }: Groups): Groups =>
  before ? { [average]: mapped(before, (_, name) => model[name]) } : {};

function parsed(json: string, path: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new CheckpointError(`${path}: expected JSON under 'training', got another text.`, { cause: error });
  }
}

const mapped = <A, B>(
  record: Readonly<Record<string, A>> | undefined,
  f: (x: A, name: string) => B,
): Record<string, B> => Object.fromEntries(Object.entries(record ?? {}).map(([name, x]) => [name, f(x, name)]));

const zeros = ({ dtype, shape, data }: RawTensor): RawTensor => ({ dtype, shape, data: new Float32Array(data.length) });

interface Folded {
  readonly pixels?: { readonly mean: number; readonly std: number } | undefined;
}

/** The inverse of `withPixelsFolded`: official weights read pixels as they are, those of a run centered ones. */
function unfolded(model: Record<string, RawTensor>, { pixels }: Folded): Record<string, RawTensor> {
  if (!pixels) return model;
  const { weight, bias } = { weight: model['encoder.patch_embed.weight'], bias: model['encoder.patch_embed.bias'] };
  const each = weight.data.length / bias.data.length;
  const sums = new Float64Array(bias.data.length);
  for (const [i, x] of weight.data.entries()) sums[Math.floor(i / each)] += x;
  return {
    ...model,
    'encoder.patch_embed.weight': { ...weight, data: Float32Array.from(weight.data, (x) => x * pixels.std) },
    'encoder.patch_embed.bias': {
      ...bias,
      data: Float32Array.from(bias.data, (b, row) => b + pixels.mean * sums[row]),
    },
  };
}

/** Running means that begin at the codes, each with the same share. */
function codebookFrom({ dtype, shape: [codes, dim], data }: RawTensor): Record<string, RawTensor> {
  return {
    share: { dtype, shape: [codes, 1], data: new Float32Array(codes).fill(1 / codes) },
    sum: { dtype, shape: [codes, dim], data: Float32Array.from(data, (x) => x / codes) },
  };
}
