/** The models in the box: those that come with the package, in its folder `models`. */
import * as z from 'zod';
import { CheckpointError, OptionError, suggestion } from '../core/index.ts';

const boxSchema = z.object({
  /** The one that is used when none is named. */
  default: z.string().optional(),
  models: z.array(z.object({ name: z.string(), file: z.string(), about: z.string() })),
});
/** Content of `models/index.json`. */
export type Box = z.output<typeof boxSchema>;

/** @param text  of `models/index.json`, or undefined when there is none: the box is empty */
export function parseBox(text: string | undefined, where: string): Box {
  if (text === undefined) return { models: [] };
  try {
    return boxSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new CheckpointError(`${where}: expected an index of models, got ${text.slice(0, 40)}.`, { cause: error });
  }
}

/** Whether a text is the name of a model in the box; a path has a dot or a slash: ./mine, mine.safetensors. */
export const isBoxName = (text: string): boolean => /^[^./\\]+$/.test(text);

/**
 * The file of a model in the box.
 *
 * @param name  default: the box's default
 * @throws OptionError when it has no such model
 */
export function fileInBox(box: Box, name: string | undefined): string {
  const found = box.models.find((model) => model.name === (name ?? box.default));
  if (found) return found.file;
  const names = box.models.map((model) => model.name);
  const got = name === undefined ? 'none' : `'${name}'${suggestion(name, names)}`;
  if (names.length === 0) {
    throw new OptionError(
      `model: expected a file or a run, got ${got}. No models came with this copy: name one with --model FILE or --name RUN.`,
    );
  }
  throw new OptionError(
    `model: expected a file, a run's folder (runs/NAME) or one of ${names.join(', ')}, got ${got}.`,
  );
}
