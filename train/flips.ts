/** Which classes are mirrored in training. */
import { OptionError, suggestion } from '../core/index.ts';
import type { Dataset } from '../data/browser.ts';

/** Mirrors half of the images: of all classes, of none, or of all but some. */
export type Flip = boolean | { readonly except: readonly string[] };

/** Whether images with a label are mirrored. */
export function flippable({ classes, mirrored = [] }: Pick<Dataset, 'classes' | 'mirrored'>) {
  const may = classes.map((name) => mirrored.includes(name));
  return (label: number): boolean => may[label];
}

/** The classes that are mirrored. @throws OptionError for an exception that is no class */
export function mirroredClasses(flip: Flip, classes: readonly string[]): readonly string[] {
  if (typeof flip === 'boolean') return flip ? classes : [];
  const unknown = flip.except.find((name) => !classes.includes(name));
  if (unknown !== undefined) {
    throw new OptionError(
      `flip.except (--no-flip-classes): expected classes of ${classes.join(', ')}, got '${unknown}'${suggestion(unknown, classes)}.`,
    );
  }
  return classes.filter((name) => !flip.except.includes(name));
}
