/** What the engine can do: functions, and async generators that yield parts of their result and return the rest. */
import { codebookComponents } from '../../titok/index.ts';
import { near } from './codes.ts';
import { type Arrived, fetchCached } from './fetch.ts';
import { beginnings } from './few.ts';
import { current, decode, encode, type ModelInfo, openEngine, use } from './model.ts';
import { readModel } from './read-model.ts';

export const tasks = {
  /** Loads the model that the other tasks use. */
  async *load(url: string): AsyncGenerator<Arrived, ModelInfo> {
    const bytes = yield* fetchCached(url);
    await openEngine();
    return use(readModel(bytes, url));
  },

  /** Principal components [codes, 3] of the model's codes, in −1..1. */
  async colors(): Promise<Float32Array> {
    return await codebookComponents(current().tokenizer);
  },

  /** The codes nearest to one, nearest first. */
  near,

  /** Token ids of pictures, one row each. */
  encode,

  /** Pictures of rows of token ids, all of one length. */
  decode,

  /** What the first k tokens of a picture decode to, for each k. */
  beginnings,
};
