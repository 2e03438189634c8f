/** The training behind the page, from the start message to the last report. Runs in a worker, and in Node. */
import { openDevice, Rng, setDefaultDevice, tensorScope } from '../../core/index.ts';
import { batches, fromPlanes, type ImageSet, imageSet, inOrder, toImages, toPlanes } from '../../data/browser.ts';
import { psnr } from '../../eval/index.ts';
import { trainingLoop } from '../../train/browser.ts';
import { imageSize, type Learner, learners } from './learners.ts';
import type { Pictures, Report, Start } from './messages.ts';
import { drawShapes } from './shapes.ts';

const batchSize = 16; // as all laptop recipes
/** Pictures to show, which the model never trains on. */
const heldOut = 8;
const drawn = 900 + heldOut; // a hundred of each shape
const picturesEvery = 25; // updates

/** Trains to the last step or until `stopped`. */
export async function train(start: Start, report: (report: Report) => void, stopped: () => boolean): Promise<void> {
  const device = await openDevice(start.device, { matmulPrecision: 'high' });
  setDefaultDevice(device);
  const rng = new Rng(start.seed);
  const { learned, shown } = split(start, rng);
  const data = batches(learned, { batchSize, seed: start.seed, flip: start.pictures.length === 0 }); // own pictures may hold text
  const learner = await learners[start.model](start.steps, data, rng, learned);
  const { training, parameters } = learner;
  report({ kind: 'ready', device: device.name, threads: device.threads, parameters, pictures: learned.count });
  let done = 0;
  if (!stopped()) {
    for await (const { step, loss, figures } of trainingLoop(training)) {
      done = step;
      report({ kind: 'step', done, loss, squaredError: figures['mse'] });
      if (done === 1 || done % picturesEvery === 0) report(await look(learner, shown));
      if (stopped()) break;
    }
  }
  if (done > 0) report(await look(learner, shown));
  await device.close();
  report({ kind: 'finished', done });
}

/** Pictures to learn from, and a few that are only looked at. Of a handful all are learned, and shown too. */
function split({ pictures }: Start, rng: Rng): { learned: ImageSet; shown: ImageSet } {
  const own = pictures.map((picture, i) => ({ planes: toPlanes(picture), label: 0, name: `picture ${i}` }));
  const items = own.length > 0 ? own : drawShapes(drawn, imageSize, rng);
  const apart = items.length >= 4 * heldOut;
  return {
    learned: imageSet(apart ? items.slice(heldOut) : items, imageSize),
    shown: imageSet(items.slice(0, heldOut), imageSize),
  };
}

async function look({ look, training }: Learner, set: ImageSet): Promise<Pictures> {
  using _ = tensorScope();
  const { images } = [...inOrder(set, set.count)][0];
  const { output, ids } = look(images);
  const pixels = Float32Array.from(await output.data());
  const each = 3 * imageSize * imageSize;
  return {
    kind: 'pictures',
    done: training.state.done,
    originals: Array.from({ length: set.count }, (_, i) =>
      fromPlanes(set.images.subarray(i * each, (i + 1) * each), imageSize, imageSize),
    ),
    reconstructions: toImages(pixels, output.shape),
    ids: ids && rows(Array.from(await ids.data()), set.count),
    psnr: psnr(await images.data(), pixels),
  };
}

const rows = (values: readonly number[], count: number): number[][] =>
  Array.from({ length: count }, (_, i) => values.slice((i * values.length) / count, ((i + 1) * values.length) / count));
