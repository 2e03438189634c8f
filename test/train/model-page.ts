/** What the page of model-browser.test.ts runs. */
import { tensor } from '../../core/index.ts';
import { generate, loadModel, tokenize } from '../../train/browser.ts';

/** Tokens of a gray ramp, and pixels of a sample, by the model at a URL or in the box under a URL. */
async function use(
  name: string | undefined,
  box: string,
): Promise<{ tokens: number[]; image: number[]; sample: number[] }> {
  const model = await loadModel(name, box);
  const { imageSize, latentTokens } = model.tokenizer.config;
  const data = Uint8Array.from({ length: 3 * imageSize ** 2 }, (_, i) => Math.floor(i / 3) % 256);
  const [tokens] = await tokenize(model.tokenizer, [{ width: imageSize, height: imageSize, data }]);
  const image = await model.tokenizer.decodeTokens(tensor(tokens, [1, latentTokens], { dtype: 'int32' })).data();
  const [sample] = await generate(model, model.classes[0]);
  return { tokens, image: [...image], sample: [...sample.data] };
}

export const api = { use };
Object.assign(globalThis, api);
