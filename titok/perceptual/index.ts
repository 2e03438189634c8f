/** Distances between images as networks see them. */
export * from './convnext.ts';
export * from './laptop.ts';
export * from './lpips.ts';
export * from './mobilenet.ts';
export * from './published.ts';
