/** A teacher: a 2-D tokenizer whose codes are stage 1's targets and whose decoder becomes stage 2's. */
import { argmax, embedding, matmul, reshape, softmax, type Tensor, transpose } from '../core/index.ts';
import type { Tap, VectorQuantizer } from '../nn/index.ts';

/** From latents on a grid to pixels. */
export interface PixelDecoder {
  /** @param z [batch, dim, g, g]; returns images [batch, 3, size, size], not clamped */
  forward(z: Tensor, tap?: Tap): Tensor;
}

export interface Teacher {
  /** [codebookSize, dim] */
  readonly codebook: Tensor;
  /** @param images [batch, 3, size, size] in 0..1; returns codes [batch, g·g], row by row */
  encode(images: Tensor): Tensor;
  /** @param z [batch, dim, g, g]; returns images [batch, 3, size, size], not clamped */
  decodeLatents(z: Tensor, tap?: Tap): Tensor;
  /** The training pass. */
  forward(images: Tensor, tap?: Tap): TeacherPass;
}

/** What a teacher's training pass gives: the picture through its codes, and the losses of the quantizer. */
export interface TeacherPass {
  readonly reconstruction: Tensor; // [batch, 3, size, size]
  readonly latents: Tensor; // [batch, dim, g, g], before quantization
  readonly zQuantized: Tensor; // [batch, dim, g, g], straight-through
  readonly codes: Tensor; // [batch, g·g]
  readonly commitmentLoss: Tensor;
  readonly codebookLoss: Tensor;
  /** The two as this teacher weighs them. */
  readonly quantizerLoss: Tensor;
}

/** Nearest codes of latents [batch, dim, g, g]. */
export function quantizeGrid(quantizer: VectorQuantizer, latents: Tensor) {
  const [batch, dim, h, w] = latents.shape as [number, number, number, number];
  const { zQuantized, indices, commitmentLoss, codebookLoss } = quantizer.forward(
    reshape(latents, [batch, dim, 1, h * w]),
  );
  return {
    zQuantized: reshape(zQuantized, latents.shape),
    codes: reshape(indices, [batch, h * w]),
    commitmentLoss,
    codebookLoss,
  };
}

/** Latents of codes: [batch, g·g] or [batch, g, g] → [batch, dim, g, g]. */
export function codeLatents(codes: Tensor, codebook: Tensor): Tensor {
  const [batch] = codes.shape as [number];
  const count = codes.size / batch;
  const g = Math.round(Math.sqrt(count));
  const rows = embedding(codebook, reshape(codes, [batch, count])); // [batch, g·g, dim]
  return reshape(transpose(rows), [batch, codebook.shape[1], g, g]);
}

/**
 * The expected latent at each position:  s_d = Σ_v softmax(logits)_v E_vd
 *
 * @param logits    [batch, codebookSize, g, g]
 * @param codebook  [codebookSize, dim]
 * @returns [batch, dim, g, g]
 */
export function softLatents(logits: Tensor, codebook: Tensor): Tensor {
  const [batch, codes, h, w] = logits.shape as [number, number, number, number];
  const p = softmax(reshape(logits, [batch, codes, h * w]), 1);
  return reshape(matmul(codebook, p, { transposeA: true }), [batch, codebook.shape[1], h, w]);
}

/** Images of codes [batch, g·g] or [batch, g, g]. */
export const decodeCodes = (teacher: Teacher, codes: Tensor): Tensor =>
  teacher.decodeLatents(codeLatents(codes, teacher.codebook));

/** Stage 1's picture: the likeliest code at each position of logits [batch, codebookSize, g, g]. */
export const decodeArgmax = (teacher: Teacher, logits: Tensor): Tensor => decodeCodes(teacher, argmax(logits, 1));

/** Stage 1's picture by expected latents: blurrier than the likeliest codes, and nearer in mean squared error. */
export const decodeSoft = (teacher: Teacher, logits: Tensor): Tensor =>
  teacher.decodeLatents(softLatents(logits, teacher.codebook));
