/** `titok data inspect PATH`: what a path holds as a dataset. */
import type { Command } from 'commander';
import { describeLeftOut, type ImagesReport, inspectImages } from '../../data/index.ts';
import { count, group } from '../../train/index.ts';
import { addSettings, byDefault, type Given, readSettings } from '../options.ts';

const inspectSettings = group({
  size: count(32, 'pixels that memory is estimated for', { most: 4096 }),
});
const shownClasses = 20;

export function addData(program: Command): void {
  const data = program.command('data').description('Looks at images before they are trained on.');
  const inspect = data
    .command('inspect')
    .description(
      'Says what a path holds: pictures, classes, splits, sizes, what is left out and why, and the memory that it takes.',
    )
    .argument('<path>', 'what --data takes: a folder of pictures or of data files, or a data file')
    .option('--json', 'prints all of it as JSON', false)
    .action(async (path: string, given: Given & { readonly json: boolean }) => {
      const { size } = readSettings(inspectSettings, {}, given);
      const report = await inspectImages(path, { size });
      console.log(given.json ? JSON.stringify({ path, ...report }) : describe(path, report));
    });
  addSettings(inspect, inspectSettings, byDefault);
}

function describe(path: string, report: ImagesReport): string {
  const { format, train, heldOut, classes, sizes, broken, leftOut, notes, memory } = report;
  const n = (count: number) => count.toLocaleString('en');
  const lines = [
    `${path}: ${format}, ${n(train)} training and ${n(heldOut)} held-out images in ${n(classes.length)} ${classes.length === 1 ? 'class' : 'classes'}`,
  ];
  for (const one of classes.slice(0, shownClasses)) {
    lines.push(`  ${one.name.padEnd(24)} ${n(one.train).padStart(8)} ${n(one.heldOut).padStart(8)} held out`);
  }
  if (classes.length > shownClasses) lines.push(`  … and ${n(classes.length - shownClasses)} more`);
  if (sizes) {
    const { width, height } = sizes;
    lines.push(
      `sizes ${width.least}×${height.least} to ${width.most}×${height.most} pixels, medians ${width.median}×${height.median}`,
    );
  }
  if (broken.length > 0) {
    const names = broken.slice(0, 10).map(({ name, found }) => `${name} (${found})`);
    lines.push(`cannot be read: ${n(broken.length)}: ${[...names, ...(broken.length > 10 ? ['…'] : [])].join(', ')}`);
  }
  lines.push(...notes);
  const left = describeLeftOut(leftOut);
  if (left !== undefined) lines.push(left);
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  lines.push(`memory at ${memory.size} pixels: ${mb(memory.dataset)}, while it is read up to ${mb(memory.peak)}`);
  return lines.join('\n');
}
