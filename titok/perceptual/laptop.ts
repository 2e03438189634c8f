/** The perceptual term of the laptop's stage 2. */
import { mean, resizeBilinear, type Tensor } from '../../core/index.ts';
import { type MobileNetTrunk, perceptualDistance } from './mobilenet.ts';

/** One number from two batches of images in 0..1; gradients flow to the second. */
export type PerceptualLoss = (images: Tensor, reconstruction: Tensor) => Tensor;

/**
 * Mean perceptual distance of pictures enlarged to a size that the network was trained for.
 *
 * @param size  pixels; 64 and the first tap cost about as much as the pixel decoder itself at 32
 */
export const mobileNetLoss =
  (trunk: MobileNetTrunk, size = 64, taps: readonly string[] = ['block_2_add']): PerceptualLoss =>
  (images, reconstruction) =>
    mean(
      perceptualDistance(
        trunk,
        resizeBilinear(images, [size, size]),
        resizeBilinear(reconstruction, [size, size]),
        taps,
      ),
    );
