/** `titok info CHECKPOINT`: what a file holds. */
import type { Command } from 'commander';
import { numel } from '../../core/index.ts';
import { loadCheckpoint } from '../../data/index.ts';
import { metaOf } from '../../train/index.ts';

export function addInfo(program: Command): void {
  program
    .command('info')
    .description('Says what a checkpoint holds.')
    .argument('<checkpoint>', 'a file of ours, or published safetensors')
    .option('--tensors', 'lists every tensor', false)
    .action((path: string, given: { tensors: boolean }) => {
      const { groups, meta: read, published } = loadCheckpoint(path, {}, (meta) => metaOf(path, meta));
      const meta = published ? undefined : metaOf(path, read);
      console.log(
        meta
          ? `${path}: stage ${meta.stage}, preset ${meta.preset ?? 'unknown'}, ${meta.state.done} updates done`
          : `${path}: published weights`,
      );
      if (meta?.origin) {
        const { data, seed } = meta.origin;
        const from = data.source ? `${data.source.path}: ` : '';
        console.log(`  trained on ${from}${data.train.count} images of ${data.classes.length} classes, seed ${seed}`);
      }
      for (const [group, tensors] of Object.entries(groups)) {
        const values = Object.values(tensors).reduce((n, t) => n + numel(t.shape), 0);
        console.log(
          `  ${group.padEnd(24)} ${String(Object.keys(tensors).length).padStart(4)} tensors  ${values.toLocaleString('en')} values`,
        );
        if (given.tensors)
          for (const [name, t] of Object.entries(tensors))
            console.log(`    ${name} [${t.shape.join(', ')}] ${t.dtype}`);
      }
      if (meta) console.log(`settings ${JSON.stringify(meta.settings, null, 2)}`);
    });
}
