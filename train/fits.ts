/** What is checked before a stage starts: its settings, its earlier session, the stages before it, and the images of all. */
import { CheckpointError } from '../core/index.ts';
import { expectOrigin, expectSeed, type Origin } from './origin.ts';
import { expectResumable } from './resume.ts';
import type { SavedMeta } from './run-folder.ts';
import type { RunImages } from './run-images.ts';
import type { RunParts } from './run-parts.ts';
import { type Stage, stageNames } from './stage.ts';
import { type AnySettings, uselessSettings } from './together.ts';
import { originOfTokens } from './tokens-file.ts';

/**
 * Checks all that can be known without images, then loads and compares them, or the tokens in their place. Notes about settings without effect go to
 * `run.notify`.
 *
 * @param earlier  when the stage goes on from its checkpoint
 * @param preset   if one is given
 * @returns        what the stage's checkpoints are to say about seed and images
 * @throws OptionError or CheckpointError for what does not fit
 */
export async function expectFits(
  run: RunParts,
  stage: Stage,
  settings: AnySettings,
  images: RunImages,
  earlier: SavedMeta | undefined,
  preset: string | undefined,
): Promise<Origin> {
  const sourceOf = (of: Pick<Stage, 'name'>) => `checkpoint ${run.checkpoint(of)}`;
  const notes = uselessSettings(settings);
  if (earlier) {
    const { preset: before } = earlier;
    if (before !== undefined && preset !== undefined && before !== preset) {
      throw new CheckpointError(
        `${sourceOf(stage)}: expected a training of preset ${preset}, got one of ${before}. ` +
          `Go on with --preset ${before}, or train again with --overwrite.`,
      );
    }
    notes.push(...expectResumable(stage, earlier, settings, sourceOf(stage)));
  }
  const order = stageNames.indexOf(stage.name);
  const compared = run.trained
    .filter((name) => stageNames.indexOf(name) < order || (earlier && name === stage.name))
    .map((name) => ({ name, source: sourceOf({ name }), origin: run.meta({ name }).origin }))
    .reverse(); // the nearest first
  for (const { source, origin } of compared) if (origin) expectSeed(origin, run.seed, source);
  const imageSize = stage.imageSize(run, settings);
  for (const note of notes) run.notify(`${stage.name}, ${note}`);
  const now = settings.tokensFile
    ? originOfTokens(run.seed, run.readTokens(settings.tokensFile), imageSize)
    : (await images.at(imageSize)).origin;
  for (const { name, source, origin } of compared) {
    const isComparable = name === stage.name || (!now.data.tokens && !origin?.data.tokens);
    if (origin && isComparable) expectOrigin(origin, now, source);
  }
  return now;
}
