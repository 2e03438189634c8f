/** What the page can train on pictures, sized for one core: TiTok, and the 2-D teacher. */
import { noGrad, type Rng, type Tensor, tensorScope } from '../../core/index.ts';
import { batches, type ImageSet, imageSet, inOrder, toUnit } from '../../data/browser.ts';
import { psnr } from '../../eval/index.ts';
import { countParameters } from '../../nn/index.ts';
import { leanTeacher, presets } from '../../titok/index.ts';
import {
  parseSettings,
  pixelsOf,
  type StepReport,
  single,
  type Training,
  teacher as teacherStage,
  trainSingle,
  trainTeacher,
} from '../../train/browser.ts';
import { type Pixels, toPixels } from '../engine/model.ts';
import type { Frame, Plan } from './messages.ts';
import { drawShapes, imageSize } from './shapes.ts';

/** A model in training, its curve, and a look at what it has learned. */
export interface Learner {
  readonly training: Training;
  readonly parameters: number;
  readonly learned: number;
  readonly heldOut: number;
  readonly originals: readonly Pixels[];
  readonly classes: readonly string[];
  /** What the curve shows of an update. */
  valueOf(report: StepReport): number;
  /** The same on held-out pictures; undefined without any. */
  measure(): Promise<number | undefined>;
  /** Pictures, of a class where there are classes. Draws none of the training's random numbers. */
  draw(className: string | undefined): Promise<Omit<Frame, 'done'>>;
}

/** What a learner is made from. */
export interface LearnerContext {
  readonly plan: Plan;
  /** The visitor's own. */
  readonly pictures: readonly Pixels[];
  readonly rng: Rng;
  /** URL of emoji-32. */
  readonly tokenizer: string;
}

const shown = 8;
const drawn = 900; // a hundred of each shape
const mostHeldOut = 32;

/** Pictures to learn from, and some that the model never sees. Of a handful all are learned. */
function split(pictures: readonly Pixels[], rng: Rng): { learned: ImageSet; heldOut: ImageSet | undefined } {
  const setOf = (items: readonly Pixels[]) =>
    imageSet(
      items.map((pixels, i) => ({ planes: planesOf(pixels), label: 0, name: `picture ${i}` })),
      imageSize,
    );
  const own = pictures.length > 0;
  const all = own ? pictures : drawShapes(drawn + mostHeldOut, imageSize, () => rng.uniform());
  const apart = Math.min(mostHeldOut, all.length < 2 * shown ? 0 : Math.floor(all.length / 4));
  return { learned: setOf(all.slice(apart)), heldOut: apart > 0 ? setOf(all.slice(0, apart)) : undefined };
}

/** RGBA, opaque → [3, size, size] */
function planesOf(pixels: Pixels): Uint8Array {
  const area = pixels.length / 4;
  return Uint8Array.from({ length: 3 * area }, (_, i) => pixels[4 * (i % area) + Math.floor(i / area)]);
}

/** Images through a model; ids [n, …] once its latents are quantized. */
type Look = (images: Tensor) => { output: Tensor; ids: Tensor | undefined };

function onPictures(training: Training, look: Look, { learned, heldOut }: ReturnType<typeof split>): Learner {
  const seen = heldOut ?? learned;
  const first = () => [...inOrder(seen, shown, shown)][0].images;
  return {
    training,
    parameters: countParameters(training.model),
    learned: learned.count,
    heldOut: heldOut?.count ?? 0,
    originals: toPixels(toUnit(seen.images.subarray(0, shown * 3 * imageSize * imageSize)), imageSize),
    classes: [],
    valueOf: (report) => report['mse'],
    async measure() {
      if (!heldOut) return undefined;
      using _ = tensorScope();
      const { images, labels } = [...inOrder(heldOut, heldOut.count)][0];
      return (await training.measure!(images, labels))['mse'];
    },
    async draw() {
      using _ = tensorScope();
      const images = first();
      const { output, ids } = noGrad(() => look(images));
      const values = Float32Array.from(await output.data());
      const all = ids && Array.from(await ids.data());
      const count = images.shape[0];
      const length = (all?.length ?? 0) / count;
      return {
        pictures: toPixels(values, imageSize),
        ids: all && Array.from({ length: count }, (_, i) => all.slice(i * length, (i + 1) * length)),
        psnr: psnr(await images.data(), values),
      };
    },
  };
}

/** As the preset `tiny`, but narrower and shallower: shapes are simpler than emoji, and a page should show something soon. */
const half = { width: 96, layers: 2, heads: 4, patchSize: 8 };

/** A picture as 16 tokens in a row. */
export async function titok({ plan, pictures, rng }: LearnerContext): Promise<Learner> {
  const data = split(pictures, rng);
  const { steps } = plan;
  const model = { ...presets.tiny, head: 'pixels', codebookSize: 256, encoder: half, decoder: half } as const; // k-means of more codes is a long pause
  const settings = parseSettings(
    single.settings,
    {
      model: { ...model, pixels: pixelsOf(model, data.learned) },
      steps,
      warmupSteps: Math.min(20, steps),
      muonLearningRate: 0.01, // 19.2 dB after 500 updates; 16.8 after 600 with half of it
      continuousSteps: Math.min(150, Math.floor(steps / 3)),
    },
    'titok on the page',
  );
  const training = trainSingle(settings, batchesOf(plan, pictures, data.learned, settings.batchSize), rng);
  const { model: titok, state } = training;
  const look: Look = (images) => {
    const z = titok.encodeLatents(images);
    if (state.done <= settings.continuousSteps)
      return { output: titok.decode(titok.normalizeLatents(z)), ids: undefined };
    const { zQuantized, indices } = titok.quantizeLatents(z);
    return { output: titok.decode(zQuantized), ids: indices };
  };
  return onPictures(training, look, data);
}

/** A picture as a grid of 8 × 8 codes. Fast, because convolutions know what is beside what. */
export async function teacher({ plan, pictures, rng }: LearnerContext): Promise<Learner> {
  const data = split(pictures, rng);
  const { steps } = plan;
  const settings = parseSettings(
    teacherStage.settings,
    {
      teacher: { ...leanTeacher, codebookSize: 256 },
      steps,
      warmupSteps: Math.min(20, steps),
      pcaStart: false, // from random numbers, so that there is something to see
      continuousSteps: Math.min(100, Math.floor(steps / 3)), // random latents need longer than principal components
    },
    'teacher on the page',
  );
  const training = await trainTeacher(settings, batchesOf(plan, pictures, data.learned, settings.batchSize), rng);
  const { model, state } = training;
  const look: Look = (images) => {
    const { encoder, decoder } = model;
    if (state.done <= settings.continuousSteps)
      return { output: decoder.forward(encoder.forward(images)), ids: undefined };
    const { reconstruction, indices } = model.forward(images);
    return { output: reconstruction, ids: indices };
  };
  return onPictures(training, look, data);
}

/** Own pictures are not mirrored, since they may hold text. */
const batchesOf = ({ seed }: Plan, pictures: readonly Pixels[], learned: ImageSet, batchSize: number) =>
  batches(learned, { batchSize, seed, flip: pictures.length === 0 });
