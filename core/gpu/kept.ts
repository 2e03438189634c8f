/**
 * Row statistics that stay with their array: layer norm, softmax and cross-entropy want the same ones forward and
 * backward, and an array never changes, so they are worked out once.
 */
import type { Pass } from '../device.ts';
import { numel } from '../shape.ts';
import type { Raw } from './gpujs.ts';
import { isSlot, type Values } from './slot.ts';

/** The result of a pass that is not the last: of one array alone, its owner, with which it stays if it is small. */
export interface Earlier {
  readonly raw: Raw;
  readonly owner: Values | undefined;
  /** What was computed: the source of the pass and of those it builds on. */
  readonly key: string;
}
/** Results up to this share of their array are kept. */
const KEPT_SHARE = 1 / 8;

/** What a pass computes, and the array that its result stays with: the only one it comes from, and much larger. */
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
  const keeps = owners.size === 1 && owner && numel(pass.out) <= KEPT_SHARE * owner.length;
  return { owner: keeps ? owner : undefined, key };
}
