/** `titok … | head -1`: whoever reads stops reading; the command ends without a stack trace, a training is saved. */
import fc from 'fast-check';
import { stageNames } from '../../train/index.ts';
import { defineKind, expect } from './kind.ts';
import { apart, expectSameEnd, removeRun, startRun, train } from './workshop.ts';

const picture = 'pictures/val/cats/0.png';
const commands: readonly (readonly string[])[] = [
  ['--help'],
  ['train', 'warmup', '--help'],
  ['info', 'runs/whole/finetune.safetensors'],
  ['info', 'runs/whole/finetune.safetensors', '--tensors'],
  ['tokenize', '--name', 'whole', picture, picture],
  ['reconstruct', '--name', 'whole', '--output', 'out/pipe.png', picture],
  ['sample', '--name', 'whole', '--count', '1', '--output', 'out/pipe.png'],
  ['train', 'warmup', '--stepps', '3'],
];

export const pipes = defineKind({
  name: 'pipe',
  about: 'output closed after some lines',
  share: 10,
  trial: fc.record({
    what: fc.oneof(fc.constantFrom(...stageNames), fc.constantFrom(...commands)),
    closed: fc.constantFrom('stdout' as const, 'stdout' as const, 'stderr' as const),
    chunks: fc.integer({ min: 0, max: 3 }),
  }),
  async run({ what, closed, chunks }) {
    const stage = typeof what === 'string' ? what : undefined;
    if (stage) startRun('pipe', stage);
    const args = typeof what === 'string' ? train(what, 'pipe', { '--picture-every': '1' }) : what;
    const { status, err } = await apart(args, {
      onStart: (child) => {
        let left = chunks;
        if (left === 0) child[closed].destroy();
        else child[closed].on('data', () => --left === 0 && child[closed].destroy());
      },
    });
    expect(!/^\s+at .+\d|Unhandled/m.test(err), `expected no stack trace\n${err}`);
    if (stage) {
      await expectSameEnd('pipe', stage);
      removeRun('pipe');
    }
    return `${stage ? 'train' : 'other'}: status ${status}`;
  },
});
