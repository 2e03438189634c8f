/** discriminator: logits at several sizes, and the hinge and LeCam losses. */
import { grad, Rng, tensorScope } from '../../core/index.ts';
import { loadStateDict } from '../../nn/index.ts';
import { discriminatorParameters, hingeDiscriminatorLoss, hingeGeneratorLoss, lecam, PatchDiscriminator } from '../../titok/index.ts'; // biome-ignore format: a list
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';
import { owned } from './owned.ts';

/** A discriminator's sizes in official configurations. */
export interface OfficialDiscriminator {
  readonly hidden_channels: number;
  readonly num_stages: number;
}
export const discriminatorOf = ({ hidden_channels, num_stages }: OfficialDiscriminator): PatchDiscriminator =>
  new PatchDiscriminator({ hiddenChannels: hidden_channels, stages: num_stages }, new Rng(0));

export async function discriminator(file: GoldenFile, check: Comparison): Promise<void> {
  const model = discriminatorOf(file.metadata<OfficialDiscriminator>('kw'));
  using _model = owned(model);
  loadStateDict(model, file.state('weights/'), { source: file.name });
  for (const name of casesOf(file)) {
    using _ = tensorScope();
    const image = file.tensor(`${name}/in/image`);
    const logits = model.forward(image, check.tap(`${name}/mid/`));
    await check.checkTaps();
    await check.check(`${name}/out/logits`, logits);
    const gradients = grad(hingeGeneratorLoss(logits), { image, ...discriminatorParameters(model) });
    await check.checkAll(`${name}/grad/`, gradients);
  }
  await losses(file, check);
}

const casesOf = (file: GoldenFile): string[] => [...new Set(file.keys.flatMap((key) => key.match(/^case\d+/) ?? []))];

async function losses(file: GoldenFile, check: Comparison): Promise<void> {
  using _ = tensorScope();
  const logits_real = file.tensor('hinge/in/logits_real');
  const logits_fake = file.tensor('hinge/in/logits_fake');
  const hinge = hingeDiscriminatorLoss(logits_real, logits_fake);
  await check.check('hinge/out', hinge);
  await check.checkAll('hinge/grad/', grad(hinge, { logits_real, logits_fake }));
  const regularization = lecam(
    logits_real,
    logits_fake,
    file.tensor('lecam/in/ema_real'),
    file.tensor('lecam/in/ema_fake'),
  );
  await check.check('lecam/out', regularization);
  await check.checkAll('lecam/grad/', grad(regularization, { logits_real, logits_fake }));
}
