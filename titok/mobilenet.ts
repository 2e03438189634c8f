/** Perceptual distances for laptops: the first eleven blocks of MobileNetV2, whose layers the weight file describes. */
import {
  add,
  CheckpointError,
  clamp,
  conv2d,
  expectOption,
  maximum,
  mean,
  mul,
  resizeBilinear,
  sub,
  type Tensor,
  tensor,
} from '../core/index.ts';
import { parameter } from '../nn/index.ts';

interface Convolution {
  readonly op: 'conv';
  readonly name: string;
  readonly inputs: readonly [string];
  readonly stride: number;
  readonly groups: number;
  /** [left, right, top, bottom] */
  readonly padding: readonly [number, number, number, number];
  readonly activation: 'relu6' | 'linear';
}
interface Addition {
  readonly op: 'add';
  readonly name: string;
  readonly inputs: readonly [string, string];
}

/** The content of a weight file, as a safetensors reader returns it. */
export interface TrunkFile {
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The network with frozen weights; `features` can be differentiated with respect to the images.
 *
 * @see Sandler et al. 2018, arXiv:1801.04381
 */
export class MobileNetTrunk {
  readonly #weights: ReadonlyMap<string, Tensor>;
  readonly #layers: readonly (Convolution | Addition)[];
  /** Layer behind each tap name. */
  readonly taps: Readonly<Record<string, string>>;

  /** @throws CheckpointError when the metadata does not describe the network */
  constructor({ tensors, metadata }: TrunkFile) {
    this.#layers = parsed(metadata, 'layers');
    this.taps = parsed(metadata, 'taps');
    const weights = new Map<string, Tensor>();
    for (const layer of this.#layers) {
      for (const part of layer.op === 'conv' ? ['weight', 'bias'] : []) {
        const name = `${layer.name}.${part}`;
        const stored = tensors[name];
        if (!stored) throw new CheckpointError(`MobileNetTrunk: expected '${name}' for its layer, got no such tensor.`);
        weights.set(
          name,
          parameter(() => tensor(stored.data, stored.shape)),
        );
      }
    }
    this.#weights = weights;
  }

  /**
   * Activations of images.
   *
   * @param images [batch, 3, h, w] in 0..1; sides multiples of 16, from 32
   * @returns activations by tap name: block_2_add [batch, 24, h/4, w/4], block_5_add [batch, 32, h/8, w/8],
   *   block_9_add [batch, 64, h/16, w/16], block_10 [batch, 96, h/16, w/16]
   * @throws OptionError when the network has no such tap
   */
  features(images: Tensor, taps: readonly string[] = Object.keys(this.taps)): Record<string, Tensor> {
    const wanted = taps.map((tap) => {
      const layer = this.taps[tap];
      expectOption(layer !== undefined, 'MobileNetTrunk taps', `names among ${Object.keys(this.taps).join(', ')}`, tap);
      return layer;
    });
    const seen = new Map([['input', mul(images, 2).sub(1)]]);
    for (const layer of this.#layers) {
      if (wanted.every((name) => seen.has(name))) break;
      seen.set(
        layer.name,
        this.#run(layer, (name) => seen.get(name)!),
      );
    }
    return Object.fromEntries(taps.map((tap, i) => [tap, seen.get(wanted[i])!]));
  }

  /** Mean of block_10 over space, [batch, 96]: the features of the small Fréchet distance (FD-MNv2). */
  pooled(images: Tensor): Tensor {
    return mean(this.features(images, ['block_10'])['block_10'], [2, 3]);
  }

  #run(layer: Convolution | Addition, input: (name: string) => Tensor): Tensor {
    const x = input(layer.inputs[0]);
    if (layer.op === 'add') return add(x, input(layer.inputs[1]));
    const [left, right, top, bottom] = layer.padding;
    const weight = this.#weights.get(`${layer.name}.weight`)!;
    const bias = this.#weights.get(`${layer.name}.bias`)!;
    const y = conv2d(x, weight, bias, {
      stride: layer.stride,
      groups: layer.groups,
      padding: [top, bottom, left, right],
    });
    return layer.activation === 'relu6' ? clamp(y, 0, 6) : y;
  }
}

/** Default taps of the distance. The nearer a tap is to the input, the more it notices a shift of one pixel. */
const distanceTaps: readonly string[] = ['block_2_add', 'block_5_add', 'block_9_add'];

/**
 * Perceptual distance in the manner of LPIPS, without learned weights: at each tap, the squared difference of unit
 * vectors over channels, summed over channels and averaged over space.
 *
 *   d_tap = mean_hw Σ_c (u(f_a) − u(f_b))²,   u(f) = f / (√Σ_c f² + 1e-10)
 *
 * @param a  [batch, 3, h, w] in 0..1; gradients flow to both
 * @param b  the same shape
 * @returns the distance by tap, each [batch]
 * @see Zhang et al. 2018, arXiv:1801.03924
 */
export function perceptualDistances(
  trunk: MobileNetTrunk,
  a: Tensor,
  b: Tensor,
  taps: readonly string[] = distanceTaps,
): Record<string, Tensor> {
  const [fa, fb] = [trunk.features(a, taps), trunk.features(b, taps)];
  return Object.fromEntries(
    taps.map((tap) => [tap, mean(sub(unitChannels(fa[tap]), unitChannels(fb[tap])).square().sum(1), [1, 2])]),
  );
}

/** Sum of `perceptualDistances` over taps, [batch]. */
export const perceptualDistance = (
  trunk: MobileNetTrunk,
  a: Tensor,
  b: Tensor,
  taps: readonly string[] = distanceTaps,
): Tensor => Object.values(perceptualDistances(trunk, a, b, taps)).reduce((sum, d) => sum.add(d));

/** f / (‖f‖ + 1e-10) over channels of [batch, channels, h, w]; where all are 0, so is the norm's gradient. */
export function unitChannels(f: Tensor): Tensor {
  const squares = maximum(f.square().sum(1, true), 1e-30); // √ has no gradient at 0
  return f.div(squares.sqrt().add(1e-10));
}

/** One number from two batches of images in 0..1; gradients flow to the second. */
export type PerceptualLoss = (images: Tensor, reconstruction: Tensor) => Tensor;

/**
 * The perceptual term of the laptop's stage 2: mean distance of images at one size, enlarged to it or antialiased down to it, so
 * that every pixel counts.
 *
 * @param size  pixels; 64 and the first tap cost about as much as the pixel decoder itself at 32
 */
export const mobileNetLoss =
  (trunk: MobileNetTrunk, size = 64, taps: readonly string[] = ['block_2_add']): PerceptualLoss =>
  (images, reconstruction) => {
    const antialias = images.shape[2] > size;
    const resized = (x: Tensor) => resizeBilinear(x, [size, size], { antialias });
    return mean(perceptualDistance(trunk, resized(images), resized(reconstruction), taps));
  };

function parsed<T>(metadata: Readonly<Record<string, string>>, key: string): T {
  const text = metadata[key];
  try {
    if (text) return JSON.parse(text) as T;
  } catch {}
  throw new CheckpointError(
    `MobileNetTrunk: expected '${key}' as JSON in the file's metadata, got ${text ? text.slice(0, 40) : 'nothing'}.`,
  );
}
