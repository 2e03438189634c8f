/** runs/NAME/results.json: for each stage, the commands that trained it and its row of the results table. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { CheckpointError } from '../core/index.ts';
import { writeFileAtomic } from '../data/index.ts';
import type { StageName, StageRow } from './stage.ts';
import { stageNames } from './stage.ts';

const figure = z.number().nullable().catch(null); // JSON has no NaN
const row = z
  .object({
    name: z.string(),
    steps: figure,
    seconds: figure,
    imagesPerSecond: figure,
    loss: figure,
    psnr: figure,
    codesUsed: figure,
    perplexity: figure,
    fd: figure,
  })
  .catchall(z.union([z.number(), z.string(), z.null()]));
const schema = z.partialRecord(
  z.enum(stageNames),
  z.object({ commands: z.array(z.string()).default([]), row: row.optional() }),
);

/** What is known about a trained stage beside its checkpoint. */
export interface StageResult {
  /** The command that began its training, and those that went on with it; none for a training by a program. */
  readonly commands: readonly string[];
  /** Its figures, once it was evaluated. */
  readonly row?: StageRow;
}

const pathOf = (folder: string) => join(folder, 'results.json');

/** What a run knows about its stages. Nothing when the file is missing or damaged: all of it can be made again. */
export function readResults(folder: string): Readonly<Partial<Record<StageName, StageResult>>> {
  try {
    return schema.parse(JSON.parse(readFileSync(pathOf(folder), 'utf8'))) as Partial<Record<StageName, StageResult>>;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isMissing || error instanceof z.ZodError || error instanceof SyntaxError) return {};
    throw error;
  }
}

/**
 * Replaces what is known about a stage, unless it is the same.
 *
 * @returns whether it was another
 * @throws CheckpointError when the file cannot be written
 */
export function writeResult(folder: string, stage: StageName, result: StageResult): boolean {
  const before = readResults(folder);
  const text = `${JSON.stringify({ ...before, [stage]: result }, null, 2)}\n`;
  if (text === `${JSON.stringify(before, null, 2)}\n`) return false;
  try {
    writeFileAtomic(pathOf(folder), [new TextEncoder().encode(text)]);
  } catch (error) {
    throw new CheckpointError(`${pathOf(folder)}: expected to write figures, got ${(error as Error).message}.`, {
      cause: error,
    });
  }
  return true;
}
