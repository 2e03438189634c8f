/** `npm run docs:pictures`: draws what README.md shows of the models in the box: held-out emoji, chosen classes, a film. */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import sharp from 'sharp';
import { openDevice, Rng, setDefaultDevice, tensor } from '../core/index.ts';
import { animatedPng, fromPlanes, imageGrid, loadEmoji, type RgbImage, writeEncoded, writePng } from '../data/index.ts';
import { drawsFrom, maskId, samplingSteps } from '../maskgit/index.ts';
import { runTool } from '../tools/command.ts';
import { picturesOf } from '../train/image-batches.ts';
import { generate, loadModel, type Model, reconstruct } from '../train/index.ts';

/** Classes that are drawn, a row each. */
const rows = [
  'face-smiling',
  'face-concerned',
  'cat-face',
  'heart',
  'person-role',
  'animal-mammal',
  'food-fruit',
  'transport-ground',
  'time',
  'alphanum',
];

/** Classes of the film, a picture each. */
const cast = ['face-smiling', 'cat-face', 'heart', 'person-role', 'food-fruit', 'time'];

async function draw(name: string): Promise<void> {
  setDefaultDevice(await openDevice('cpu'));
  const image = (file: string) => fileURLToPath(new URL(`images/${file}`, import.meta.url));
  const model = await loadModel(name);
  const { imageSize, latentTokens } = model.tokenizer.config;

  const { validation } = await loadEmoji(imageSize);
  const step = Math.floor(validation.count / 24);
  const each = 3 * imageSize * imageSize;
  const pictures = Array.from({ length: 24 }, (_, i): RgbImage => {
    const at = i * step * each;
    return fromPlanes(validation.images.subarray(at, at + each), imageSize, imageSize);
  });
  const results = await reconstruct(model.tokenizer, pictures);
  const pairs = [0, 12].flatMap((from) => [
    ...results.slice(from, from + 12).map(({ input }) => input),
    ...results.slice(from, from + 12).map(({ output }) => output),
  ]);
  const labels = ['input', `${latentTokens} tokens`];
  await writePng(
    image(`${name}-reconstructions.png`),
    await imageGrid(pairs, 12, { rowLabels: [...labels, ...labels] }),
  );

  const samples = await generate(model, rows, { count: 10 });
  await writePng(image(`${name}-samples.png`), await imageGrid(samples, 10, { rowLabels: rows }));
  writeEncoded(image(`${name}-film.png`), await film(model));
}

/** MaskGIT at work: a frame for each step, a picture for each class. */
async function film({ tokenizer, generator, classes, sampling }: Model): Promise<Uint8Array> {
  if (!generator) throw new Error('expected a model with a generator.');
  const labels = cast.map((name) => classes.indexOf(name));
  const mask = maskId(generator.config);
  const frames: Uint8Array[] = [];
  for await (const { guesses } of samplingSteps(generator, labels, sampling, drawsFrom(new Rng(1)))) {
    if (guesses.includes(mask)) continue; // before the first step
    const ids = tensor(guesses, [labels.length, tokenizer.config.latentTokens], { dtype: 'int32' });
    const pictures = await picturesOf(tokenizer.decodeTokens(ids));
    const { width, height, data } = await imageGrid(pictures, labels.length, { scale: 2 });
    frames.push(
      await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer(),
    );
  }
  return animatedPng(frames, { milliseconds: 250 });
}

await runTool(
  new Command('npm run docs:pictures --')
    .description(
      'Draws what a model in the box makes of held-out emoji, samples of some classes, and a film of their drawing, into docs/images/.',
    )
    .argument('[model]', 'a model in the box', 'emoji-32')
    .action(draw),
);
