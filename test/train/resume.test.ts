/** Going on from a checkpoint gives the numbers of a training that never stopped, to the last bit. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { loadCheckpoint, saveCheckpoint } from '../../data/index.ts';
import type { StepReport, Training } from '../../train/index.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { recipes, useOneThread } from './recipes.ts';

before(useOneThread);

async function train(training: Training, until = training.steps): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  while (training.state.done < until) reports.push(await training.step());
  return reports;
}

const saveTraining = ({ state }: Training, path: string, meta: Record<string, unknown>) =>
  saveCheckpoint(path, { groups: state.groups(), meta: { ...meta, state: state.values() } });

async function stateOf({ state }: Training) {
  const tensors: Record<string, ArrayLike<number>> = {};
  for (const [group, members] of Object.entries(state.groups()))
    for (const [name, t] of Object.entries(members)) tensors[`${group}/${name}`] = (await t.data()).slice();
  return { values: state.values(), tensors };
}

for (const [name, start] of Object.entries(recipes)) {
  test(`${name}: stopped before, at and after the continuous warm-up, and resumed`, async (t) => {
    const uninterrupted = await start();
    const whole = await train(uninterrupted);
    const end = await stateOf(uninterrupted);
    assert.ok(whole.every(({ loss, gradientNorm }) => Number.isFinite(loss) && gradientNorm > 0));
    const path = join(temporaryFolder(t), 'stage.safetensors');
    for (const stop of [2, 4, 7]) {
      const first = await start();
      const reports = await train(first, stop);
      await saveTraining(first, path, { stage: name });
      const second = await start(99); // other weights, data and draws, until the checkpoint is in place
      const { groups, meta } = loadCheckpoint(path, { stage: name });
      second.state.restore(groups, meta['state'], path);
      assert.equal(second.state.done, stop);
      reports.push(...(await train(second)));
      assert.deepEqual(reports, whole, `stopped after ${stop}`);
      assert.deepEqual(await stateOf(second), end, `stopped after ${stop}`); // averages and moments too
    }
  });
}

test('a checkpoint of another recipe or another size is refused, and nothing changes', async (t) => {
  const path = join(temporaryFolder(t), 'stage.safetensors');
  const warmup = await recipes['warmup']();
  await train(warmup, 1);
  await saveTraining(warmup, path, { stage: 'warmup' });
  const { groups, meta } = loadCheckpoint(path);
  const other = await recipes['generator']();
  assert.throws(() => other.state.restore(groups, meta['state'], `checkpoint ${path}`), {
    name: 'CheckpointError',
    message: /^checkpoint .*stage\.safetensors: expected the state of a training with the averages model, got none\./,
  });
  assert.throws(() => other.state.restore(groups, {}, 'checkpoint x'), {
    message: /^checkpoint x: expected a value of type number as state\.done in its metadata, got nothing\./,
  });
  const fresh = await recipes['generator']();
  assert.deepEqual(await train(other, 2), await train(fresh, 2));
});
