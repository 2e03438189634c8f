/** In-place elementwise updates, for optimizers and averages. Besides `assign`, nothing else changes a tensor. */
import type { Device, Handle, Ref } from './device.ts';
import { DeviceError, ShapeError } from './errors.ts';
import { type Expr, type Formula, formula, formulaSource } from './formula.ts';
import { packable, refOf } from './packing.ts';
import { numel, sameShape, show } from './shape.ts';
import { disposedError, Tensor } from './tensor.ts';

type Scalars<S extends string> = Readonly<Record<S, number>>;

/** An update that `defineUpdate` declared. */
export interface Update<T extends string, I extends string, S extends string> {
  /** Overwrites the targets. @throws ShapeError when shapes differ; DeviceError when tensors are on several devices */
  (tensors: Readonly<Record<T | I, Tensor>>, scalars: Scalars<S>): void;
  /**
   * The same for lists of tensors, entry by entry. Scalars, and inputs that are no list, are shared by all entries. On
   * GPUs the tensors are packed, so that the whole list takes one launch per target.
   */
  all(
    tensors: Readonly<Record<T, readonly Tensor[]> & Record<I, readonly Tensor[] | Tensor>>,
    scalars: Scalars<S>,
  ): void;
}

/**
 * Declares an update that overwrites several tensors of equal size in one pass.
 *
 *   const ema = defineUpdate('ema', ['shadow'], ['p'], ['rate'], { shadow: 'shadow - rate * (shadow - p)' });
 *   ema({ shadow, p }, { rate: 0.001 });
 *   ema.all({ shadow: shadows, p: params }, { rate: 0.001 });
 *
 * @param name      for error messages and profiles
 * @param targets   tensors to overwrite, in this order; later formulas see the new values of earlier ones
 * @param inputs    tensors to read, shaped like the targets or with a single element
 * @param scalars   run-time numbers
 * @param formulas  the new value of each target, in the language of `elementwise`
 */
export function defineUpdate<T extends string, I extends string, S extends string>(
  name: string,
  targets: readonly T[],
  inputs: readonly I[],
  scalars: readonly S[],
  formulas: Readonly<Record<T, string>>,
): Update<T, I, S> {
  const names: readonly (T | I)[] = [...targets, ...inputs];
  const params = [...names, ...scalars];
  const parsed = targets.map((t) => formula(`(${params.join(', ')}) => ${formulas[t]}`));

  /** The tensors in the order of `names`, checked. */
  const checked = (tensors: Readonly<Record<T | I, Tensor>>): Tensor[] => {
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
    return list;
  };
  const run = (list: readonly Tensor[], values: Scalars<S>): void => {
    const { device } = list[0];
    const refs = list.map(refOf);
    if (device.update) {
      device.update(refs.slice(0, targets.length), names, parsed, refs, values);
      for (let i = 0; i < targets.length; i++) list[i].markOverwritten();
    } else {
      const handles = oneByOne(device, name, names, parsed, refs, values);
      for (const [i, handle] of handles.entries()) list[i].replaceHandle(handle);
    }
  };
  const update = (tensors: Readonly<Record<T | I, Tensor>>, values: Scalars<S>): void => run(checked(tensors), values);

  const all: Update<T, I, S>['all'] = (tensors, values) => {
    const columns = names.map((n): Tensor | readonly Tensor[] => tensors[n]);
    const first = columns[0] as readonly Tensor[];
    columns.forEach((column, k) => {
      if (column instanceof Tensor) return;
      const wrong = first.findIndex((t, i) => !column[i] || !sameShape(column[i].shape, t.shape));
      if (column.length !== first.length || wrong >= 0)
        throw new ShapeError(
          `${name}: expected a list '${names[k]}' shaped like '${names[0]}', ${first.length} tensors, got ${column.length}${wrong >= 0 && column[wrong] ? `, of which ${wrong} is ${show(column[wrong].shape)} and not ${show(first[wrong].shape)}` : ''}.`,
        );
    });
    const rows = first.map((_, i) => {
      const row = columns.map((column, k) => [names[k], column instanceof Tensor ? column : column[i]]);
      return checked(Object.fromEntries(row) as Record<T | I, Tensor>);
    });
    const shared = columns.map((column) => column instanceof Tensor);
    for (const group of packable(rows, ([target]) => target)) {
      if (group.length === 1) run(group[0], values);
      else runPacked(group, shared, values);
    }
  };
  /** Packs each column into one array, updates them as a single long tensor, and hands its pieces to the targets. */
  const runPacked = (rows: readonly (readonly Tensor[])[], shared: readonly boolean[], values: Scalars<S>): void => {
    const [{ device }] = rows[0] as [Tensor];
    const shapes = rows.map(([target]) => target.shape);
    const length = shapes.reduce((sum, shape) => sum + numel(shape), 0);
    const owned: Handle[] = [];
    const refs = names.map((_, k): Ref => {
      if (shared[k]) return refOf(rows[0][k]);
      const handle = device.pack!(rows.map((row) => refOf(row[k])));
      owned.push(handle);
      return { handle, shape: [length] };
    });
    oneByOne(device, name, names, parsed, refs, values).forEach((handle, k) => {
      for (const [i, piece] of device.unpack!(handle, shapes).entries()) rows[i][k].replaceHandle(piece);
      owned.push(handle);
    });
    for (const handle of owned) device.free(handle, length);
  };

  return Object.assign(update, { all });
}

/** Runs a kernel per formula, for devices without `update`. Returns the handles that replace those of the targets. */
function oneByOne(
  device: Device,
  name: string,
  names: readonly string[],
  formulas: readonly Formula[],
  refs: Ref[],
  scalars: Readonly<Record<string, number>>,
): Handle[] {
  return formulas.map((f, k) => {
    const { shape } = refs[k];
    const used = f.params.filter((p) => uses(f.body, p));
    const args = used.map((p) => (p in scalars ? scalars[p] : refs[names.indexOf(p)]));
    const call: Formula = { params: used, body: f.body };
    const handle = device.run({
      op: `${name}.${names[k]}`,
      shape,
      args,
      formula: call,
      passes: () => {
        const read = (p: string) => {
          const a = args[used.indexOf(p)];
          return typeof a === 'number' ? p : numel(a.shape) === 1 ? `${p}[0]` : `${p}[this.thread.x]`;
        };
        return [
          { out: [numel(shape)], inputs: Object.fromEntries(used.map((p, i) => [p, i])), ...formulaSource(call, read) },
        ];
      },
    });
    refs[k] = { handle, shape };
    return handle;
  });
}

const uses = (e: Expr, name: string): boolean =>
  e.kind === 'var' ? e.name === name : e.kind === 'call' && e.args.some((a) => uses(a, name));
