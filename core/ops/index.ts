/** Every op of the library, by kind. */
export * from './attention.ts';
export * from './conv.ts';
export * from './elementwise.ts';
export * from './indexing.ts';
export * from './matmul.ts';
export * from './movement.ts';
export * from './nearest.ts';
export * from './normalize.ts';
export * from './reduce.ts';
export * from './resample.ts';
export * from './softmax.ts';
export * from './statistics.ts';
