/** Checks of images. A convolution leaves out rows and columns that fill no patch, and says nothing. */
import { ShapeError, type Tensor } from '../core/index.ts';

/** @throws ShapeError unless images are [batch, 3, size, size], with at least one */
export function expectImages(where: string, { shape }: Tensor, size: number): void {
  const [batch, ...image] = shape;
  if (batch > 0 && `${image}` === `${[3, size, size]}`) return;
  throw new ShapeError(
    `${where}: expected images [batch, 3, ${size}, ${size}], got [${shape.join(', ')}]. Crop or resize them first.`,
  );
}

/** @throws ShapeError unless images are square, in color, and of a whole number of patches; with at least one */
export function expectPatches(where: string, { shape }: Tensor, patch: number): void {
  const [batch, colors, height, width] = shape;
  if (shape.length === 4 && batch > 0 && colors === 3 && height === width && height > 0 && height % patch === 0) return;
  throw new ShapeError(
    `${where}: expected images [batch, 3, size, size] with a size that ${patch} divides, got [${shape.join(', ')}]. Crop or resize them first.`,
  );
}
