/** Parameters outlive scopes; these go when the block ends. */
import { stateDict } from '../../nn/index.ts';

/** `using _ = owned(model)` frees a model's parameters, or an optimizer's state, at the end of the block. */
export const owned = (...models: object[]): Disposable => ({
  [Symbol.dispose]: () => {
    for (const model of models) for (const t of Object.values(stateDict(model))) t.dispose();
  },
});
