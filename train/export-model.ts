/** `titok export`: what a run has trained, as one file. */
import { type Precision, writeSafetensorsBytes } from '../data/index.ts';
import { type ModelMetadata, withGenerator } from './model.ts';
import { parseModel, serializeModel } from './model-file.ts';
import type { Run } from './run.ts';
import { modelOf, stagesOf } from './run-model.ts';
import { evaluateSamples } from './samples.ts';
import type { StageRow } from './stage.ts';
import { evaluatePixels } from './titok-stage.ts';
import { titokSampler } from './token-sampler.ts';

/** Options of `exportModel`. */
export interface ExportOptions {
  /** Of the weights in the file. Default 'float32'. */
  readonly precision?: Precision;
  /** The model's name. Default: the run's. */
  readonly name?: string;
  /** That made the run; stored in the file, after those of the model that it began from. */
  readonly commands?: readonly string[];
}

/**
 * Writes a run's tokenizer, and its generator with averaged weights if there is one, into a file for `loadModel`, and measures
 * on the run's held-out images what the model can do, in float32 and as it is in the file. A run that learned from a file of
 * tokens has no images, so nothing is measured.
 *
 * @returns what the file says beside its weights, and its size
 * @throws CheckpointError when the run has no tokenizer that gives pixels, when its generator was made with another one, or
 *   when the file cannot be written. A file that was there before stays
 */
export async function exportModel(
  run: Run,
  path: string,
  { precision = 'float32', name, commands = [] }: ExportOptions = {},
): Promise<ModelMetadata & { readonly bytes: number }> {
  const model = await modelOf(run);
  const figures: ModelMetadata['figures'] = [];
  const stages = stagesOf(run);
  const hasImages = run.hasImages || !run.before()?.origin?.data.tokens;
  if (hasImages && stages[0]?.name === 'generator')
    figures.push({ name: 'tokenizer', ...(await evaluatePixels(run, model.tokenizer)) });
  for (const stage of stages) figures.push(finite(await run.evaluate(stage)));
  const { metadata: of } = model;
  const measured = hasImages ? (await run.dataset()).validation.count : 0;
  const described = {
    ...of,
    name: name ?? of.name,
    precision,
    commands: [...of.commands, ...commands],
    figures,
    measured,
  };
  const bytes = Buffer.concat(await serializeModel(model, described));
  const written = precision === 'float32' || !hasImages ? undefined : await measure(run, bytes);
  const metadata = { ...described, ...(written && { written }) };
  const pieces = await serializeModel(model, metadata);
  writeSafetensorsBytes(path, pieces);
  return { ...metadata, bytes: pieces.reduce((sum, piece) => sum + piece.length, 0) };
}

/** Figures of a model as it is in a file. */
async function measure(run: Run, bytes: Uint8Array): Promise<ModelMetadata['written']> {
  const model = parseModel(bytes);
  const { psnr, fd } = await evaluatePixels(run, model.tokenizer);
  if (!model.generator) return { psnr, fd };
  const sampler = titokSampler(withGenerator(model), model.tokenizer);
  const samples = await evaluateSamples(run, 'generator', sampler);
  return { psnr, fd, sampleFd: samples.fd };
}

/** JSON has no NaN, which a loss without updates is. */
const finite = (row: StageRow): ModelMetadata['figures'][number] => ({
  ...Object.fromEntries(Object.entries(row).map(([name, x]) => [name, Number.isNaN(x) ? null : x])),
  name: row.name,
});

/** 'float16: PSNR 15.47 dB (float32 15.48), FD 35.7 (35.7), FD of samples 40.3 (40.3)'; undefined for float32 itself */
export function describeRounding({ precision, figures, written }: ModelMetadata): string | undefined {
  if (!written) return undefined;
  const figure = (of: 'psnr' | 'fd', generator: boolean): string => {
    const value = figures.find(({ name }) => (name === 'generator') === generator)?.[of];
    return typeof value === 'number' ? value.toFixed(of === 'psnr' ? 2 : 1) : 'unknown';
  };
  const { psnr, fd, sampleFd } = written;
  const parts = [
    `PSNR ${psnr.toFixed(2)} dB (float32 ${figure('psnr', false)})`,
    `FD ${fd.toFixed(1)} (${figure('fd', false)})`,
    sampleFd === undefined ? [] : `FD of samples ${sampleFd.toFixed(1)} (${figure('fd', true)})`,
  ];
  return `${precision}: ${parts.flat().join(', ')}`;
}
