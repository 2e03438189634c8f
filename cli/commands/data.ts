/** `titok data inspect PATH`: what a path holds as a dataset. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { convertImages, describeLeftOut, type ImagesReport, inspectImages } from '../../data/index.ts';
import { count, group } from '../../train/index.ts';
import { addSettings, byDefault, type Given, readSettings } from '../options.ts';
import { showShare } from '../progress.ts';

const inspectSettings = group({
  size: count(32, 'pixels that memory is estimated for', { most: 4096 }),
});
const convertSettings = group({ perShard: count(1000, 'pictures in each shard') });
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
  const convert = data
    .command('convert')
    .description(
      'Writes pictures of any format into WebDataset shards, which can be streamed. Files of pictures are copied as they are.',
    )
    .argument('<path>', 'what --data takes: a folder of pictures or of data files, or a data file')
    .argument('<folder>', 'for train-….tar, and val-….tar if the data says what is held out')
    .option('--skip-broken', 'goes on without pictures that cannot be read, and lists them', false)
    .action(async (path: string, folder: string, given: Given & { readonly skipBroken: boolean }) => {
      const { perShard } = readSettings(convertSettings, {}, given);
      const { skipBroken } = given;
      const progress = showShare('pictures');
      const options = { perShard, skipBroken, onProgress: progress.update };
      const converted = await convertImages(path, folder, options).finally(progress.leave);
      for (const shards of [converted.train, converted.heldOut])
        if (shards) console.log(`${join(folder, shards.names)}  ${shards.pictures.toLocaleString('en')} pictures`);
      const left = describeLeftOut(converted.leftOut);
      if (left !== undefined) console.log(left);
    });
  addSettings(convert, convertSettings, byDefault);
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
