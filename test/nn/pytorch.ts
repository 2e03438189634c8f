/** Reference values of PyTorch: pytorch.json, which pytorch.py prints. */
import { readFileSync } from 'node:fs';
import { type Device, type Shape, type Tensor, tensor } from '../../core/index.ts';

/** Values with their shape, as `loadStateDict` takes them. */
export interface Saved {
  readonly shape: Shape;
  readonly data: readonly number[];
}
type Dict = Readonly<Record<string, Saved>>;
interface Attended {
  readonly y: Saved;
  readonly gradients: Dict;
}

export const pytorch = JSON.parse(readFileSync(new URL('./pytorch.json', import.meta.url), 'utf8')) as {
  readonly start: Dict;
  readonly gradients: readonly Dict[];
  readonly optimizers: readonly {
    readonly name: 'Adam' | 'AdamW' | 'SGD';
    readonly options: Readonly<Record<string, unknown>>;
    readonly after: Dict;
  }[];
  readonly attention: Readonly<Record<'self' | 'self, mask' | 'cross' | 'cross, mask', Attended>> & {
    readonly state: Dict;
    readonly x: Saved;
    readonly keyValue: Saved;
    /** Gradient of the loss with respect to y. */
    readonly pull: Saved;
    readonly masks: Readonly<Record<'self' | 'cross', Saved>>;
  };
  readonly convTranspose2d: { readonly state: Dict; readonly x: Saved; readonly y: Saved };
  readonly sequential: readonly string[];
};

export const tensorOf = ({ data, shape }: Saved, device?: Device): Tensor => tensor(data, shape, device && { device });
export const tensorsOf = (dict: Dict, device?: Device): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(dict).map(([name, saved]) => [name, tensorOf(saved, device)]));
