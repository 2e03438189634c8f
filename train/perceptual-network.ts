/** The published perceptual losses, with the weights of their networks from files. */
import { OptionError, outsideScopes, ZeroRng } from '../core/index.ts';
import { openTensorFile, type TensorFile } from '../data/index.ts';
import { loadStateDict, pick, type StateValue, stateDict } from '../nn/index.ts';
import { PublishedPerceptualLoss, perceptualNames, perceptualSizes, perceptualWeights } from '../titok/index.ts';
import { valueIn } from './published.ts';

/** What a loss needs, by a tensor that only it has. */
const needed = [
  { of: 'convnext', key: 'convnext.classifier.2.weight', what: 'ConvNeXt-S (convnext_small-….pth of torchvision)' },
  { of: 'lpips', key: 'lpips.net.slice1.0.weight', what: 'VGG-16 (vgg16-….pth of torchvision)' },
  { of: 'lpips', key: 'lpips.lin0.model.1.weight', what: "LPIPS's layers on it (vgg.pth)" },
] as const;

/**
 * A published perceptual loss.
 *
 * @param name   'convnext_s', 'lpips' or 'lpips-convnext_s-1.0-0.1'
 * @param files  of its networks, as `perceptualNames` knows them, in any order
 * @throws OptionError for a network that no file has; CheckpointError for a file of something else
 */
export function openPerceptual(name: string, files: readonly string[]): PublishedPerceptualLoss {
  const weights = perceptualWeights(name);
  const opened: TensorFile[] = [];
  const values: Record<string, StateValue> = {};
  try {
    for (const path of files) {
      const file = openTensorFile(path);
      opened.push(file);
      for (const [found, own] of perceptualNames(path, file.entries)) values[own] = valueIn(path, file, found);
    }
    const missing = needed.filter(({ of, key }) => weights[of] > 0 && !(key in values));
    if (missing.length > 0)
      throw new OptionError(
        `perceptualFiles: expected the weights of ${missing.map(({ what }) => what).join(' and of ')} for ${name}, got ${files.join(', ')}. Name the files with commas between them.`,
      );
    return outsideScopes(() => {
      const loss = new PublishedPerceptualLoss(name, new ZeroRng(), perceptualSizes(values));
      const constants = pick(stateDict(loss), (key) => /^imagenet_|scaling_layer\./.test(key));
      const own = pick(values, (key) => weights[key.startsWith('lpips.') ? 'lpips' : 'convnext'] > 0);
      const source = `perceptual network ${files.join(', ')}`;
      loadStateDict(loss, { ...constants, ...own }, { isNew: true, source });
      return loss;
    });
  } finally {
    for (const file of opened) file.close();
  }
}
