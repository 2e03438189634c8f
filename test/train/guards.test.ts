/** A collapse is noticed while it happens, said once with what helps, and logged. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { loadImageFolder } from '../../data/index.ts';
import { Guards } from '../../train/guards.ts';
import { openRun, readLog, type StepReport, single } from '../../train/index.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { useOneThread } from './recipes.ts';

before(useOneThread);

const said = (
  stage: 'warmup' | 'finetune' | 'generator' | 'single',
  figures: (update: number) => Omit<StepReport, 'loss'>,
  pictures = 1000,
) => {
  const guards = new Guards(stage, pictures);
  const messages: string[] = [];
  for (let update = 1; update <= 600; update++) {
    const message = guards.look(update, { loss: 1, ...figures(update) } as StepReport);
    if (message !== undefined) messages.push(`${update}: ${message}`);
  }
  return messages;
};

test('a training that learns is left in peace, also where it begins with equal latents', () => {
  assert.deepEqual(
    said('warmup', (update) => ({ spread: update < 80 ? 0.001 : 0.4, ...(update > 300 && { codeUse: 0.6 }) })),
    [],
  );
  assert.deepEqual(
    said('finetune', (update) => (update > 20 ? { margin: 0.6 } : {})),
    [],
  );
});

test('one picture that is learned by heart is no collapse', () => {
  assert.deepEqual(
    said('warmup', () => ({ spread: 0, codeUse: 0.03 }), 1),
    [],
  );
});

test('each collapse is said once, with an option that helps', () => {
  const equal = said('warmup', () => ({ spread: 0.004 }));
  assert.equal(equal.length, 1);
  assert.match(
    equal[0],
    /^121: the latents of all pictures are nearly the same \(they differ by 0\.40 %\).*--optimizer/,
  );
  const few = said('warmup', (update) => ({ spread: 0.4, ...(update > 300 && { codeUse: 0.02 }) }));
  assert.equal(few.length, 1);
  assert.match(few[0], /^350: .*the same few codes \(2\.0 %.*--continuous-steps/);
  const blind = said('single', (update) => ({ margin: 0.01, ganFactor: update < 60 ? 0.5 : 40 }));
  assert.match(
    blind[0],
    /tells nothing apart, .* \(1\d; .*--discriminator-learning-rate, such as 2e-3, or a lower --weights-adversarial/,
  );
  const won = said('finetune', (update) => ({ margin: update / 100 }));
  assert.equal(won.length, 1);
  assert.match(won[0], /margin 2\.0.*--discriminator-learning-rate/);
});

test('a run says and logs it, also where it goes on with the images that its checkpoint names', async (t) => {
  const folder = temporaryFolder(t);
  const path = await writePictures(join(folder, 'pictures'));
  const half = { width: 16, layers: 1, heads: 2, patchSize: 4 };
  const messages: string[] = [];
  const options = { measureEvery: 0, notify: (message: string) => messages.push(message) };
  const settings = {
    model: {
      imageSize: 8,
      latentTokens: 4,
      codebookSize: 8,
      tokenSize: 4,
      encoder: half,
      decoder: half,
      init: 'published',
    },
    steps: 130,
    batchSize: 4,
    continuousSteps: 125,
    optimizer: 'adamw',
    learningRate: 1e-9, // the published starting values, left as they are
  } as const;
  const first = { ...options, dataset: (size: number) => loadImageFolder(path, size), source: { path } };
  for await (const _ of (await openRun(folder, first)).train(single, settings)) break;
  for await (const _ of (await openRun(folder, options)).train(single, settings));
  const found = messages.filter((message) => message.includes('nearly the same'));
  assert.equal(found.length, 1);
  assert.match(found[0], /^single, update 121: /);
  const entries = readLog(folder).get('single')!.updates;
  assert.equal(entries.length, 130);
  assert.deepEqual(
    entries.filter(({ warning }) => warning).map(({ step }) => step),
    [121],
  );
});
