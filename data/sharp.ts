/** sharp decodes and writes image files. It is a native module, so it loads with the first file that needs it. */
import { DataError } from '../core/index.ts';
import { reason } from './errors.ts';

/** @throws DataError when the package is missing or does not run on this platform */
export async function loadSharp(): Promise<typeof import('sharp')> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new DataError(`image files: expected the package sharp, got ${reason(error)}. Run npm install sharp.`, {
      cause: error,
    });
  }
}
