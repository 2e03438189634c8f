/** What the engine can do: functions, and async generators that yield parts of their result and return the rest. */
import { type AnimationOptions, animatedPng } from '../../data/browser.ts';
import { codebookComponents } from '../../titok/index.ts';
import { near } from './codes.ts';
import { type Arrived, fetchCached } from './fetch.ts';
import { beginnings } from './few.ts';
import { film, sharesIn } from './film.ts';
import { fit } from './fit.ts';
import { blend } from './mix.ts';
import { current, decode, encode, type ModelInfo, openEngine, use } from './model.ts';
import { readModel } from './read-model.ts';
import { heatMap, nearCodes } from './touch.ts';

export const tasks = {
  /** Loads the model that the other tasks use. */
  async *load(url: string): AsyncGenerator<Arrived, ModelInfo> {
    return yield* fetchCached(url, async (bytes) => {
      await openEngine();
      return use(readModel(bytes, url));
    });
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

  /** Where a picture changes when one of its tokens is replaced. */
  heatMap,

  /** The other codes, nearest to a code first. */
  nearCodes,

  /** Rows between two rows. */
  blend,

  film,
  sharesIn,
  fit,

  /** PNG files of one size as an animated one. */
  async animate(frames: readonly Uint8Array[], options: AnimationOptions): Promise<Uint8Array<ArrayBuffer>> {
    return animatedPng(frames, options);
  },

  /** What the first k tokens of a picture decode to, for each k. */
  beginnings,
};
