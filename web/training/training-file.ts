/**
 * A training as one safetensors file: what it needs to go on exactly where it was.
 *
 *   GROUP/NAME   weights, optimizer and averages, as `TrainingState.groups` names them
 *   pictures     U8 [n, 4·size²], the visitor's own pictures as RGBA, if there are any
 *   metadata     format 'titok-ts page training', version '1'; meta: JSON of plan, state and curve
 */
import * as z from 'zod';
import { CheckpointError } from '../../core/index.ts';
import { parseSafetensors, serializeSafetensors } from '../../data/browser.ts';
import type { StateValue } from '../../nn/index.ts';
import type { TrainingState } from '../../train/browser.ts';
import type { Pixels } from '../engine/model.ts';
import type { Plan, Point } from './messages.ts';

const format = 'titok-ts page training';
const version = '1';
const whole = z.int().min(0);
const metaSchema = z.object({
  plan: z.object({ kind: z.enum(['generator', 'titok', 'teacher']), steps: whole.min(1).max(1e6), seed: whole }),
  state: z.looseObject({ done: whole }),
  log: z.array(z.object({ done: whole, value: z.number(), heldOut: z.number().optional() })),
});

/** What a file holds beside the weights. */
export interface SavedTraining {
  readonly plan: Plan;
  readonly pictures: readonly Pixels[];
  readonly log: readonly Point[];
  /** For `TrainingState.restore`. */
  readonly groups: Readonly<Record<string, Readonly<Record<string, StateValue>>>>;
  readonly state: unknown;
}

/** The file's bytes. */
export async function packTraining(
  state: TrainingState,
  { plan, pictures, log }: Pick<SavedTraining, 'plan' | 'pictures' | 'log'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array | Int32Array | Uint8Array }> = {};
  for (const [group, members] of Object.entries(state.groups())) {
    for (const [name, tensor] of Object.entries(members)) {
      const values = await tensor.data();
      const data = values instanceof Int32Array ? Int32Array.from(values) : Float32Array.from(values);
      tensors[`${group}/${name}`] = { shape: tensor.shape, data };
    }
  }
  if (pictures.length > 0) {
    const each = pictures[0].length;
    const data = new Uint8Array(pictures.length * each);
    pictures.forEach((picture, i) => {
      data.set(picture, i * each);
    });
    tensors['pictures'] = { shape: [pictures.length, each], data };
  }
  const meta = JSON.stringify({ plan, state: state.values(), log });
  const pieces = serializeSafetensors(tensors, { format, version, meta });
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  pieces.reduce((at, piece) => {
    bytes.set(piece, at);
    return at + piece.length;
  }, 0);
  return bytes;
}

/**
 * @param size  of the pictures, pixels
 * @throws CheckpointError for a file of another kind
 */
export function parseTraining(bytes: Uint8Array, size: number): SavedTraining {
  const { tensors, metadata } = parseSafetensors(bytes, 'training');
  if (metadata['format'] !== format || metadata['version'] !== version)
    throw new CheckpointError(
      `training: expected '${format}' of version ${version}, got ${metadata['format'] ?? 'other safetensors'}. Choose a file that this page saved.`,
    );
  const { plan, state, log } = readMeta(metadata['meta']);
  const groups: Record<string, Record<string, StateValue>> = {};
  let pictures: Pixels[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const slash = name.indexOf('/');
    if (slash > 0) {
      groups[name.slice(0, slash)] ??= {};
      groups[name.slice(0, slash)][name.slice(slash + 1)] = tensor as StateValue;
    } else if (name === 'pictures' && tensor.shape[1] === 4 * size * size) {
      const all = Uint8ClampedArray.from(tensor.data);
      pictures = Array.from({ length: tensor.shape[0] }, (_, i) =>
        all.slice(i * tensor.shape[1], (i + 1) * tensor.shape[1]),
      );
    }
  }
  return { plan, pictures, log: log as Point[], groups, state };
}

function readMeta(json: string | undefined): z.output<typeof metaSchema> {
  try {
    return metaSchema.parse(JSON.parse(json ?? ''));
  } catch (error) {
    throw new CheckpointError('training: expected meta with plan, state and log, got others. Is the file damaged?', {
      cause: error,
    });
  }
}
