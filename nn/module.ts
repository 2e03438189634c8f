/** Models are plain objects; their state is the tensors in their fields. A tensor's key is the path of field names. */
import {
  CheckpointError,
  expectKnown,
  firstNonFiniteIndex,
  nearest,
  type Shape,
  show,
  suggestion,
  Tensor,
} from '../core/index.ts';

/** Tensors by checkpoint key, as in PyTorch: 'encoder.transformer.0.attn.in_proj_weight'. */
export type StateDict = Record<string, Tensor>;

/** Values for a parameter: a tensor on its device or on a synchronous one, or an array with its shape. */
export type StateValue = Tensor | { readonly shape: Shape; readonly data: ArrayLike<number> };

/**
 * Every tensor in the fields of a model, by the path of field names: `ffn = { 0: conv, 2: conv }` gives 'ffn.0.weight' and
 * 'ffn.2.weight'. Walks layers, objects and arrays; skips numbers, functions and private (`#`) fields.
 *
 * Optimizers, weight averages, clipping and checkpoints all take this flat record.
 *
 * @throws TypeError for a model that is no object, for tensors in a Map or a Set, for two tensors with one key, or when a field
 *   leads back to one of its owners
 */
export function stateDict(model: object): StateDict {
  const found: StateDict = {};
  const open = new Set<object>();
  if (typeof model !== 'object' || model === null)
    throw new TypeError(`stateDict: expected a model, got ${model === null ? 'null' : typeof model}.`);
  const walk = (node: unknown, path: string): void => {
    if (node instanceof Tensor) {
      if (Object.hasOwn(found, path))
        throw new TypeError(
          `stateDict: expected one tensor at '${path}', got two. Rename the field with a dot in its name.`,
        );
      found[path] = node;
      return;
    }
    if (typeof node !== 'object' || node === null || ArrayBuffer.isView(node)) return;
    if (open.has(node))
      throw new TypeError(
        `stateDict: expected a tree of layers, but '${path}' leads back to one of its owners. Keep that reference in a private field (#owner).`,
      );
    open.add(node);
    if (node instanceof Map || node instanceof Set) {
      const before = Object.keys(found).length;
      for (const [i, child] of [...node.values()].entries()) walk(child, `${path}.${i}`);
      if (Object.keys(found).length > before)
        throw new TypeError(
          `stateDict: expected tensors in fields, objects and arrays, got some in a ${node.constructor.name}, '${path}'. Keep them in an array or an object.`,
        );
    }
    for (const [name, child] of Object.entries(node)) walk(child, path === '' ? name : `${path}.${name}`);
    open.delete(node);
  };
  walk(model, '');
  return found;
}

/** Options of `loadStateDict`. */
export interface LoadOptions {
  /** true (default): keys must match exactly. false: loads the intersection. */
  readonly strict?: boolean;
  /**
   * true: checks each value as it is written, so that values that are read from a file are read once. For a model that is thrown
   * away when loading fails. Default false.
   */
  readonly isNew?: boolean;
  /** Where the values came from, for error messages: 'checkpoint run/last.safetensors'. */
  readonly source?: string;
}

/**
 * Overwrites a model's parameters. Checks everything before it writes anything, so a failed load leaves the model as it
 * was.
 *
 * @throws CheckpointError with the keys that are missing, unexpected (and the model's nearest key) or of another shape, or
 *   with a key whose values (of an array) hold NaN or infinity
 */
export function loadStateDict(
  model: object,
  values: Readonly<Record<string, StateValue>>,
  options: LoadOptions = {},
): void {
  expectKnown('loadStateDict', options, ['strict', 'isNew', 'source']);
  const { strict = true, isNew = false, source = 'loadStateDict' } = options;
  const own = stateDict(model);
  const missing = Object.keys(own).filter((key) => !values[key]);
  const unexpected = Object.keys(values).filter((key) => !(key in own));
  const problems = Object.entries(own).flatMap(([key, p]) => {
    const value = values[key];
    if (!value) return [];
    if (!(value instanceof Tensor) && !(Array.isArray(value.shape) && 'data' in value))
      return [`'${key}' is neither a tensor nor { shape, data }`];
    if (show(value.shape) !== show(p.shape))
      return [`'${key}' is ${show(value.shape)} in the file, ${show(p.shape)} in the model`];
    if (!(value instanceof Tensor)) return [];
    if (value.disposed) return [`'${key}' is a tensor that was freed`];
    const isReadable = value.device === p.device || value.device.synchronous;
    return isReadable ? [] : [`'${key}' is on ${value.device.name}, whose values must be awaited: use to(t, device)`];
  });
  if (strict) {
    problems.push(
      ...unexpected.map((key) => `'${key}' is in the file but not in the model${suggestion(key, missing)}`),
    );
    problems.push(
      ...missing.filter((key) => !nearest(key, unexpected)).map((key) => `'${key}' is missing from the file`),
    );
  }
  if (problems.length > 0) {
    const [shown, rest] = [problems.slice(0, 8), problems.length - 8];
    throw new CheckpointError(
      `${source}: expected the ${Object.keys(own).length} tensors of the model; ${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}. Was it saved with another preset?`,
    );
  }
  const finite = (key: string, data: ArrayLike<number>): ArrayLike<number> => {
    const at = firstNonFiniteIndex(data);
    if (at < 0) return data;
    throw new CheckpointError(
      `${source}: expected finite values, got ${data[at]} in '${key}'. Take another copy of the file, or train again.`,
    );
  };
  for (const key of isNew ? [] : Object.keys(own)) {
    const value = values[key];
    if (!value || value instanceof Tensor) continue;
    const { length } = finite(key, value.data);
    if (length !== own[key].size)
      throw new CheckpointError(
        `${source}: expected ${own[key].size} values for '${key}' ${show(own[key].shape)}, got ${length}.`,
      );
  }
  for (const [key, p] of Object.entries(own)) {
    const value = values[key];
    if (value) p.assign(value instanceof Tensor ? value : isNew ? finite(key, value.data) : value.data);
  }
}

/** Entries whose key passes a test: `pick(stateDict(model), (key) => key.startsWith('decoder.'))` to train a part. */
export const pick = <V>(dict: Readonly<Record<string, V>>, keep: (key: string) => boolean): Record<string, V> =>
  Object.fromEntries(Object.entries(dict).filter(([key]) => keep(key)));
