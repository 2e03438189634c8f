/** The golden files of this folder, on the cpu device; the quick ones on the reference device as well. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { goldenFiles } from '../../tools/golden/folder.ts';
import { runGolden } from '../../tools/golden/index.ts';
import { defaultDevice, memory, openDevice, setDefaultDevice } from '../../core/index.ts';

const files = await goldenFiles(fileURLToPath(new URL('.', import.meta.url)));
/** Larger files take the float64 device seconds each. */
const slow = /^(maskgit_vqgan|discriminator|mobilenetv2|perceptual|titok_stage2)/;
/** Keys that need the full-precision weights, which the project does not carry. */
const absent = /^full_precision\//;
/** The perceptual networks keep tensors that nothing can free. */
const holdsOn = /^(mobilenetv2|perceptual|titok_stage2)/;

const before = defaultDevice();
after(() => setDefaultDevice(before));

for (const device of ['cpu', 'reference']) {
  for (const file of files) {
    const { name } = file;
    if (device === 'reference' && slow.test(name)) continue;
    test(`${name} on ${device}`, async () => {
      const live = memory().tensors;
      const report = await runGolden(file, await openDevice(device));
      assert.deepEqual(report.misses, []);
      assert.equal(report.status, 'pass');
      assert.deepEqual(
        report.unsupported.filter((what) => !absent.test(what)),
        [],
      );
      if (!holdsOn.test(name)) assert.equal(memory().tensors, live, 'every tensor is freed');
    });
  }
}

test('every family of files is here', () => {
  assert.equal(files.length, 19);
});
