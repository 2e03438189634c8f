/** Codes that are alike. */
import { nearestCodes } from '../../titok/index.ts';
import { current } from './model.ts';

/** The codes nearest to one, nearest first. */
export const near = async (id: number, count: number): Promise<number[]> =>
  Array.from((await nearestCodes(current().tokenizer, id, count)).ids);
