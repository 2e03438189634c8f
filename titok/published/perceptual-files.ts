/** The networks of a published perceptual loss in the files that others publish: which tensor is which, and how large they are. */
import { CheckpointError } from '../../core/index.ts';
import type { PerceptualNetworks } from './perceptual.ts';

/** The shape of each tensor of a file. */
type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

const vggSlices = [5, 10, 17, 24]; // torchvision's first convolution of each slice but the first one

/**
 * What `PublishedPerceptualLoss` calls the tensors of a file: torchvision's ConvNeXt or VGG-16, LPIPS's layers on it, a whole LPIPS,
 * or the loss of the paper's code. VGG's classifier is left out.
 *
 * @param path  for errors
 * @returns its names by those of the file
 * @throws CheckpointError for other files
 */
export function perceptualNames(path: string, entries: Shapes): Map<string, string> {
  const names = [...entries.keys()];
  const rename = (to: (name: string) => string | undefined) =>
    new Map(names.flatMap((name) => [[name, to(name)] as const].filter((pair): pair is [string, string] => !!pair[1])));
  if (names.some((name) => /^(?:lpips|convnext)\./.test(name)))
    return rename((name) => (name.startsWith('lpips.lins.') ? undefined : name));
  if (entries.has('features.0.0.weight')) return rename((name) => `convnext.${name}`);
  if (entries.has('features.0.weight')) return rename(vggName);
  // the package of LPIPS lists its layers twice: as lin0 and as lins.0
  if (entries.has('lin0.model.1.weight'))
    return rename((name) => (name.startsWith('lins.') ? undefined : `lpips.${name}`));
  const some = names.slice(0, 3).join(', ');
  throw new CheckpointError(
    `${path}: expected the weights of ConvNeXt-S or VGG-16 as torchvision has them, or of LPIPS, got ${some ? `tensors named ${some}, …` : 'no tensors'}.`,
  );
}

/** 'features.5.weight' → 'lpips.net.slice2.5.weight' */
function vggName(name: string): string | undefined {
  const [, layer, what] = /^features\.(\d+)\.(weight|bias)$/.exec(name) ?? [];
  if (layer === undefined) return undefined;
  const slice = 1 + vggSlices.filter((first) => Number(layer) >= first).length;
  return `lpips.net.slice${slice}.${layer}.${what}`;
}

/** The sizes of the networks, by tensors under the loss's names. */
export function perceptualSizes(
  tensors: Readonly<Record<string, { readonly shape: readonly number[] }>>,
): PerceptualNetworks {
  const width = (name: string) => tensors[name]?.shape[0] ?? 0;
  const count = (name: (i: number) => string) => {
    let i = 0;
    while (name(i) in tensors) i++;
    return i;
  };
  const stage = (i: number) => `convnext.features.${2 * i}.${i === 0 ? 0 : 1}.weight`;
  const stages = Array.from({ length: count(stage) }, (_, i) => i);
  return {
    convnext: {
      dims: stages.map((i) => width(stage(i))),
      depths: stages.map((i) => count((block) => `convnext.features.${2 * i + 1}.${block}.layer_scale`)),
      classes: width('convnext.classifier.2.weight'),
    },
    vgg: [0, ...vggSlices].map((layer, i) => width(`lpips.net.slice${i + 1}.${layer}.weight`)),
  };
}
