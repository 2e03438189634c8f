/** Frees parameters, which outlive scopes, at the end of a block. */
import { stateDict } from '../../nn/index.ts';

/** `using _ = owned(model, optimizer)`: frees every tensor in the fields of these objects at the end of the block. */
export const owned = (...models: object[]): Disposable => ({
  [Symbol.dispose]: () => {
    for (const model of models) for (const t of Object.values(stateDict(model))) t.dispose();
  },
});
