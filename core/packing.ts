/**
 * Packs many small tensors into a few large arrays, so that an optimizer step is one launch instead of one per parameter.
 * For devices where a launch costs more than its arithmetic (GPUs).
 */
import type { Ref } from './device.ts';
import { Tensor } from './tensor.ts';

/** Most values of one packed array: 16 MiB, so that a run-time offset into it is exact in float32. */
const PACKED = 1 << 22;

/** The tensor as a kernel sees it. */
export const refOf = (t: Tensor): Ref => ({ handle: t.storage.handle, shape: t.shape });

/** Groups entries whose tensors fit into one array. On devices that do not pack, each entry is a group of its own. */
export function packable<X>(entries: readonly X[], tensorOf: (entry: X) => Tensor): X[][] {
  const groups: X[][] = [];
  let room = 0;
  for (const entry of entries) {
    const { device, size } = tensorOf(entry);
    if (device.pack && size <= room) groups.at(-1)!.push(entry);
    else {
      groups.push([entry]);
      room = PACKED;
    }
    room -= size;
  }
  return groups;
}

/**
 * Flat tensors that hold the values of all `tensors`, one after another; the tensors themselves on devices that do not
 * pack. The tensors move into the packed arrays, so that packing them again costs nothing.
 */
export function pack(tensors: readonly Tensor[]): Tensor[] {
  return packable(tensors, (t) => t).map((group) => {
    if (group.length === 1) return group[0];
    const { device } = group[0];
    const length = group.reduce((sum, t) => sum + t.size, 0);
    const handle = device.pack!(group.map(refOf));
    const shapes = group.map((t) => t.shape);
    for (const [i, piece] of device.unpack!(handle, shapes).entries()) group[i].moveTo(piece);
    return new Tensor({ device, handle, length, views: 0 }, [length], 'float32');
  });
}
