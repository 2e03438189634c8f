/** What the engine does for "How few?". */
import { current, decode, encode, type Pixels } from './model.ts';

/** What the first k tokens of a picture decode to, for k = 1, 2, …, K. The model must be one of variable length. */
export async function* beginnings(picture: Pixels): AsyncGenerator<Pixels, void> {
  const [row] = await encode([picture]);
  for (let k = 1; k <= current().tokenizer.config.latentTokens; k++) yield (await decode([row.slice(0, k)]))[0];
}
