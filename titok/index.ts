/** TiTok: images ⇄ a short row of tokens. Reading order: config, encoder, decoder, model, teacher, vqgan, loss. */
export * from './adversarial.ts';
export * from './config.ts';
export * from './decoder.ts';
export * from './discriminator.ts';
export * from './encoder.ts';
export * from './gradient-l1.ts';
export * from './lean-teacher.ts';
export * from './loss.ts';
export * from './model.ts';
export * from './official.ts';
export * from './patches.ts';
export * from './pca.ts';
export * from './perceptual/index.ts';
export * from './posterior.ts';
export * from './teacher.ts';
export * from './teachers.ts';
export * from './vqgan.ts';
