/** Saves one checkpoint after the other until killed: every value and the meta of a file hold the same step. */
import { saveCheckpoint } from '../../data/index.ts';

const path = process.argv[2];
for (let step = 1; ; step++) {
  const data = new Float32Array(1 << 18).fill(step);
  await saveCheckpoint(path, { groups: { model: { weight: { shape: [data.length], data } } }, meta: { step } });
  if (step === 1) console.log('saving');
}
