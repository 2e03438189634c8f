/** `npm run docs:pictures`: draws what README.md shows of the models in the box, from held-out emoji and chosen classes. */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { openDevice, setDefaultDevice } from '../core/index.ts';
import { fromPlanes, imageGrid, loadEmoji, type RgbImage, writePng } from '../data/index.ts';
import { runTool } from '../tools/command.ts';
import { generate, loadModel, reconstruct } from '../train/index.ts';

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
}

await runTool(
  new Command('npm run docs:pictures --')
    .description(
      'Draws what a model in the box makes of held-out emoji, and samples of some classes, into docs/images/.',
    )
    .argument('[model]', 'a model in the box', 'emoji-32')
    .action(draw),
);
