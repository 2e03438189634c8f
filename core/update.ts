/** In-place elementwise updates, for optimizers and averages: the only mutation of tensors besides `assign`. */
import { type Device, DeviceError, type Ref } from './device.ts';
import { type Expr, type Formula, formula, formulaSource } from './formula.ts';
import { ShapeError, sameShape, show } from './shape.ts';
import { disposedError, type Tensor } from './tensor.ts';

/**
 * Declares an update that overwrites several tensors of equal size in one pass.
 *
 *   const ema = defineUpdate('ema', ['shadow'], ['p'], ['rate'], { shadow: 'shadow - rate * (shadow - p)' });
 *   ema({ shadow, p }, { rate: 0.001 });
 *
 * @param targets   tensors to overwrite, in this order; later formulas see the new values of earlier ones
 * @param inputs    tensors to read; one with a single element serves every place
 * @param scalars   run-time numbers
 * @returns a function of the tensors and the scalars by name; throws ShapeError when sizes differ
 */
export function defineUpdate<T extends string, I extends string, S extends string>(
  name: string,
  targets: readonly T[],
  inputs: readonly I[],
  scalars: readonly S[],
  formulas: Readonly<Record<T, string>>,
): (tensors: Readonly<Record<T | I, Tensor>>, scalars: Readonly<Record<S, number>>) => void {
  const names: readonly (T | I)[] = [...targets, ...inputs];
  const params = [...names, ...scalars];
  const parsed = targets.map((t) => formula(`(${params.join(', ')}) => ${formulas[t]}`));
  return (tensors, values) => {
    const list = names.map((n) => tensors[n]);
    const first = list[0]!;
    list.forEach((t, i) => {
      if (t.disposed) throw disposedError(name, t);
      if (t.device !== first.device)
        throw new DeviceError(
          `${name}: expected tensors on one device, got ${first.device.name} and ${t.device.name}.`,
        );
      const single = i >= targets.length && t.size === 1;
      if (!single && !sameShape(t.shape, first.shape)) {
        throw new ShapeError(
          `${name}: expected '${names[i]}' to be shaped like '${names[0]}', ${show(first.shape)}, got ${show(t.shape)}.`,
        );
      }
    });
    const { device } = first;
    const refs = list.map((t): Ref => ({ handle: t.storage.handle, shape: t.shape }));
    if (device.update) device.update(refs.slice(0, targets.length), names, parsed, refs, values);
    else oneByOne(device, name, list.slice(0, targets.length), names, parsed, refs, values);
  };
}

/** For devices whose kernels write one result: a kernel per target, whose result takes the target's place. */
function oneByOne(
  device: Device,
  name: string,
  targets: readonly Tensor[],
  names: readonly string[],
  formulas: readonly Formula[],
  refs: Ref[],
  scalars: Readonly<Record<string, number>>,
): void {
  targets.forEach((target, k) => {
    const f = formulas[k]!;
    const used = f.params.filter((p) => uses(f.body, p));
    const args = used.map((p) => (p in scalars ? scalars[p]! : refs[names.indexOf(p)]!));
    const call: Formula = { params: used, body: f.body };
    const handle = device.run({
      op: `${name}.${names[k]}`,
      shape: target.shape,
      args,
      formula: call,
      passes: () => {
        const read = (p: string) => {
          const a = args[used.indexOf(p)]!;
          return typeof a === 'number'
            ? p
            : a.shape.reduce((n, d) => n * d, 1) === 1
              ? `${p}[0]`
              : `${p}[this.thread.x]`;
        };
        return [
          { out: [target.size], inputs: Object.fromEntries(used.map((p, i) => [p, i])), ...formulaSource(call, read) },
        ];
      },
    });
    target.replaceHandle(handle);
    refs[k] = { handle, shape: target.shape };
  });
}

const uses = (e: Expr, name: string): boolean =>
  e.kind === 'var' ? e.name === name : e.kind === 'call' && e.args.some((a) => uses(a, name));
