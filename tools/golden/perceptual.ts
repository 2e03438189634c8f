/** perceptual: the published perceptual losses on tiny networks. */
import { grad, narrow, Rng, slice, type Tensor, tensorScope } from '../../core/index.ts';
import { loadStateDict, pick, stateDict } from '../../nn/index.ts';
import { type ConvNextConfig, type PerceptualNetworks, PublishedPerceptualLoss } from '../../titok/index.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';
import { owned } from './owned.ts';

/** The sizes of a file's networks. */
export function networksOf(file: GoldenFile): PerceptualNetworks {
  const { dims, depths, classes, vgg } = file.metadata<ConvNextConfig & { vgg: readonly number[] }>('perc');
  return { convnext: { dims, depths, classes }, vgg };
}

export async function perceptual(file: GoldenFile, check: Comparison): Promise<void> {
  const names = new Set(file.below('out/').flatMap((key) => key.match(/^(.+)\/(value|mean)$/)?.[1] ?? []));
  for (const name of names) await loss(file, check, name);
}

async function loss(file: GoldenFile, check: Comparison, name: string): Promise<void> {
  using _ = tensorScope();
  const model = new PublishedPerceptualLoss(officialName(name), new Rng(0), networksOf(file));
  using _model = owned(model);
  const own = stateDict(model);
  loadStateDict(
    model,
    pick(file.state('weights/'), (key) => key in own),
    { source: file.name },
  );
  const input = file.tensor('in/input');
  const target = file.tensor('in/target');
  const value = model.forward(input, target);
  await check.check(`out/${name}/value`, model.perImage(input, target));
  await check.check(`out/${name}/mean`, value);
  await check.checkAll(`grad/${name}/`, grad(value, { target }));
  if (name === 'convnext_s') await insideConvNext(file, check, model, input, target);
  if (name === 'lpips') await insideLpips(file, check, model, input);
}

/** 'lpips_convnext_s_1p0_0p1' → 'lpips-convnext_s-1.0-0.1' */
function officialName(name: string): string {
  const [, ...weights] = /^lpips_convnext_s_([\dp]+)_([\dp]+)$/.exec(name) ?? [];
  return weights.length > 0 ? `lpips-convnext_s-${weights.map((w) => w.replace('p', '.')).join('-')}` : name;
}

async function insideConvNext(
  file: GoldenFile,
  check: Comparison,
  model: PublishedPerceptualLoss,
  input: Tensor,
  target: Tensor,
): Promise<void> {
  const seen = new Map<string, Tensor>();
  const logits = model.logits(target, (name, x) => seen.set(name, x));
  await check.check('out/convnext.target.logits', logits);
  await check.check('out/convnext.input.logits', model.logits(input));
  for (const key of file.below('mid/convnext.target.')) {
    const x = seen.get(`convnext.${key}`);
    if (x) await check.check(`mid/convnext.target.${key}`, x);
  }
  const corner = file.keys.find((key) => /^mid\/convnext\.resized_target_\d+x\d+_corner$/.test(key));
  const resized = seen.get('resized');
  if (corner && resized) await check.check(corner, slice(resized, [0, 0, 0, 0], file.shape(corner)));
}

async function insideLpips(
  file: GoldenFile,
  check: Comparison,
  model: PublishedPerceptualLoss,
  input: Tensor,
): Promise<void> {
  const seen = new Map<string, Tensor>();
  model.lpips?.features(input, (name, x) => seen.set(name, x));
  for (const [name, x] of seen) {
    const key = file.has(`mid/lpips.${name}`) ? `mid/lpips.${name}` : `mid/lpips.input.${name}`;
    if (file.has(key)) await check.check(key, narrow(x, 0, 0, file.shape(key)[0])); // some files have the first image only
  }
}
