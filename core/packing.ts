/**
 * Many tensors as few: on devices where a launch costs more than its arithmetic, what treats all parameters alike
 * (optimizer, norm of the gradients, weight average) works on arrays that hold them one after another.
 */
import type { Ref } from './device.ts';
import { Tensor } from './tensor.ts';

/** Values of one joined array: 16 MiB, so that a run-time offset into it is exact in float32. */
const JOINED = 1 << 22;

export const refOf = (t: Tensor): Ref => ({ handle: t.storage.handle, shape: t.shape });

/** Entries in groups whose tensors may become one array: each alone on devices that do not join. */
export function joinable<X>(entries: readonly X[], tensorOf: (entry: X) => Tensor): X[][] {
  const groups: X[][] = [];
  let room = 0;
  for (const entry of entries) {
    const { device, size } = tensorOf(entry);
    if (device.join && size <= room) groups.at(-1)!.push(entry);
    else {
      groups.push([entry]);
      room = JOINED;
    }
    room -= size;
  }
  return groups;
}

/**
 * Flat tensors with the values of all `tensors`, where the device joins; elsewhere the tensors themselves. The tensors
 * move into the joined arrays, so that joining them again costs nothing.
 */
export function joined(tensors: readonly Tensor[]): Tensor[] {
  return joinable(tensors, (t) => t).map((group) => {
    if (group.length === 1) return group[0];
    const { device } = group[0];
    const length = group.reduce((sum, t) => sum + t.size, 0);
    const handle = device.join!(group.map(refOf));
    for (const [i, piece] of device.cut!(
      handle,
      group.map((t) => t.shape),
    ).entries())
      group[i].replaceHandle(piece);
    return new Tensor({ device, handle, length, views: 0 }, [length], 'float32');
  });
}
