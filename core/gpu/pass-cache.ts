/**
 * Caches row statistics with the array they come from: layer norm, softmax and cross-entropy need the same ones forward
 * and backward, and arrays never change.
 */
import type { Pass } from '../device.ts';
import { numel } from '../shape.ts';
import type { Raw } from './gpujs.ts';
import { isSlot, type Values } from './slot.ts';

/** The result of a pass before the last. It is cached with its owner, the only array it depends on, if it is small. */
export interface Earlier {
  readonly raw: Raw;
  readonly owner: Values | undefined;
  /** Identifies the computation: the source of the pass and of those before it. */
  readonly key: string;
}
/** Results up to this fraction of their array are cached. */
const CACHED_FRACTION = 1 / 8;

/** The cache key of a pass, and the array to cache its result with: the only one it reads, and much larger. */
export function origin(
  pass: Pass,
  args: readonly unknown[],
  earlier: ReadonlyMap<string, Earlier>,
): Omit<Earlier, 'raw'> {
  const owners = new Set<Values | undefined>();
  let key = `${pass.out} ${pass.body}`;
  for (const from of Object.values(pass.inputs)) {
    const arg = args[from as number];
    if (typeof from === 'string') {
      owners.add(earlier.get(from)!.owner);
      key += earlier.get(from)!.key;
    } else owners.add(isSlot(arg) && arg.length === arg.values.length ? arg.values : undefined);
  }
  const [owner] = owners;
  const caches = owners.size === 1 && owner && numel(pass.out) <= CACHED_FRACTION * owner.length;
  return { owner: caches ? owner : undefined, key };
}
