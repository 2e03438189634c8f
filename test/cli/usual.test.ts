/** What is said at the end of a stage about its figures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remarkOn } from '../../cli/usual.ts';
import { presets, type Run, type StageRow, warmup } from '../../train/index.ts';

const known = { tiny: { warmup: { loss: [2, 2.1], psnr: [17.8, 18.2] } } } as const;
const run = (preset: string, path: string): Pick<Run, 'meta'> => ({
  meta: () => ({ preset, origin: { data: { source: { path } } } }) as unknown as ReturnType<Run['meta']>,
});
const row = (psnr: number) => ({ name: 'warmup', loss: 2.05, psnr, fd: 34 }) as unknown as StageRow;
const said = (psnr: number, { preset = 'tiny', path = 'emoji', changes = {} } = {}) =>
  remarkOn(run(preset, path), warmup, { ...presets.tiny.warmup, ...changes }, row(psnr), known);

test('figures within the usual range, and beyond it', () => {
  assert.equal(said(18), 'warmup: loss 2.05, PSNR 18.0 dB: as usual for preset tiny.');
  assert.equal(
    said(12.34),
    'warmup: loss 2.05, PSNR 12.3 dB. Usual for preset tiny: PSNR 17.8 to 18.2 dB; what that may mean is in docs/what-to-expect.md.',
  );
});

test('nothing about trainings of another kind', () => {
  assert.equal(said(18, { path: 'pictures' }), undefined);
  assert.equal(said(18, { preset: 'small' }), undefined);
  assert.equal(said(18, { changes: { learningRate: 1e-3 } }), undefined);
  assert.notEqual(said(18, { changes: { batchSize: 16 } }), undefined, 'the default, spelled out');
});
