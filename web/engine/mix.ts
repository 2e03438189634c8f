/** Mixtures of two rows of tokens. */
import { noGrad, tensor, tensorScope } from '../../core/index.ts';
import { current } from './model.ts';

/**
 * For each share t, the row whose codes are nearest to (1 − t) · codes of a + t · codes of b: t = 0 is a, 1 is b.
 *
 * @param a, b  ids of two rows of one length
 */
export async function blend(
  a: readonly number[],
  b: readonly number[],
  shares: readonly number[],
): Promise<number[][]> {
  using _ = tensorScope();
  const { tokenizer } = current();
  const codebook = tokenizer.quantize!; // the models of the page have one
  const ids = tensor(Int32Array.from([...a, ...b]), [2 * a.length], { dtype: 'int32' });
  const codes = await noGrad(() => codebook.latentsOf(ids)).data(); // [2K, C]
  const [K, C] = [a.length, codes.length / (2 * a.length)];
  const z = new Float32Array(shares.length * C * K); // [n, C, 1, K]
  shares.forEach((t, n) => {
    for (let k = 0; k < K; k++) {
      for (let c = 0; c < C; c++) z[(n * C + c) * K + k] = (1 - t) * codes[k * C + c] + t * codes[(K + k) * C + c];
    }
  });
  const { indices } = noGrad(() => tokenizer.quantizeLatents(tensor(z, [shares.length, C, 1, K])));
  const mixed = Array.from(await indices.data());
  return shares.map((_, n) => mixed.slice(n * K, (n + 1) * K));
}
