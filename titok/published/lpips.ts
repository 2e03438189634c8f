/** LPIPS on VGG-16, with the published layer names. */
import { expectRng, maxPool2d, mean, narrow, type Rng, relu, type Tensor, tensor } from '../../core/index.ts';
import { Conv2d, parameter, type Tap } from '../../nn/index.ts';
import { unitChannels } from '../mobilenet.ts';

/** Width of each of the five slices of VGG-16. */
export const vgg16Widths: readonly number[] = [64, 128, 256, 512, 512];
/** Torchvision's indices of the convolutions of each slice. A slice ends after its last activation. */
const sliceLayers = [
  [0, 2],
  [5, 7],
  [10, 12, 14],
  [17, 19, 21],
  [24, 26, 28],
] as const;

type Slice = Readonly<Record<number, Conv2d>>;
type Head = { readonly model: { readonly 1: Conv2d } };

/**
 * The learned perceptual distance on VGG-16 features.
 *
 * @see Zhang et al. 2018, arXiv:1801.03924
 */
export class Lpips {
  readonly scaling_layer: { readonly shift: Tensor; readonly scale: Tensor };
  readonly net: {
    readonly slice1: Slice;
    readonly slice2: Slice;
    readonly slice3: Slice;
    readonly slice4: Slice;
    readonly slice5: Slice;
  };
  readonly lin0: Head;
  readonly lin1: Head;
  readonly lin2: Head;
  readonly lin3: Head;
  readonly lin4: Head;

  constructor(rng: Rng, widths: readonly number[] = vgg16Widths) {
    expectRng('Lpips', rng);
    const slice = (s: number): Slice =>
      Object.fromEntries(
        sliceLayers[s].map((layer, i) => [
          layer,
          new Conv2d(i === 0 ? (widths[s - 1] ?? 3) : widths[s], widths[s], 3, rng, { padding: 1 }),
        ]),
      );
    const head = (s: number): Head => ({ model: { 1: new Conv2d(widths[s], 1, 1, rng, { bias: false }) } });
    this.scaling_layer = {
      shift: parameter(() => tensor([-0.03, -0.088, -0.188], [1, 3, 1, 1])),
      scale: parameter(() => tensor([0.458, 0.448, 0.45], [1, 3, 1, 1])),
    };
    this.net = { slice1: slice(0), slice2: slice(1), slice3: slice(2), slice4: slice(3), slice5: slice(4) };
    [this.lin0, this.lin1, this.lin2, this.lin3, this.lin4] = [head(0), head(1), head(2), head(3), head(4)];
  }

  /**
   * The distance of each pair of images.
   *
   *   Σ over slices of mean_hw lin((u(f_a) − u(f_b))²)
   *
   * @param a  [batch, 3, h, w] in 0..1
   * @param b  the same shape
   * @returns [batch, 1, 1, 1]
   */
  forward(a: Tensor, b: Tensor, tap?: Tap): Tensor {
    const [fa, fb] = [this.features(a, tap), this.features(b)];
    const heads = [this.lin0, this.lin1, this.lin2, this.lin3, this.lin4];
    const distances = heads.map(({ model }, i) => {
      const difference = unitChannels(fa[i]).sub(unitChannels(fb[i])).square();
      return mean(model[1].forward(difference), [2, 3], true);
    });
    return distances.reduce((sum, d) => sum.add(d));
  }

  /** Activations after relu1_2, relu2_2, relu3_3, relu4_3, relu5_3 of images in 0..1. */
  features(images: Tensor, tap?: Tap): Tensor[] {
    const { shift, scale } = this.scaling_layer;
    let x = images.mul(2).sub(1).sub(shift).div(scale);
    tap?.('scaled_input', x);
    const { slice1, slice2, slice3, slice4, slice5 } = this.net;
    return [slice1, slice2, slice3, slice4, slice5].map((slice, s) => {
      if (s > 0) x = halve(x);
      for (const layer of sliceLayers[s]) x = relu(slice[layer].forward(x));
      tap?.(`relu${s + 1}_${sliceLayers[s].length}`, x);
      return x;
    });
  }
}

/** 2 × 2 maximum; drops the last row or column of an odd side. */
function halve(x: Tensor): Tensor {
  const [h, w] = x.shape.slice(2);
  return maxPool2d(narrow(narrow(x, 2, 0, h - (h % 2)), 3, 0, w - (w % 2)), 2);
}
