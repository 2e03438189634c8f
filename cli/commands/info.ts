/** `titok info FILE`: what a file holds. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { numel, OptionError } from '../../core/index.ts';
import { type ListedTensor, loadCheckpoint, openSafetensors, openTensorFile } from '../../data/index.ts';
import {
  describeRounding,
  isBoxName,
  isModelFile,
  isPublished,
  loadModel,
  localPath,
  metaOf,
  modelsInBox,
  pathOfModel,
  RunFolder,
  recognize,
  type StageRow,
} from '../../train/index.ts';
import { showFetching } from '../progress.ts';
import { isShownRun, shownRun } from '../runs.ts';
import { lengthsNote, table, tableNote } from '../table.ts';

export function addInfo(program: Command): void {
  program
    .command('info')
    .description('Says what a model or a checkpoint holds.')
    .argument(
      '<file>',
      "of 'titok export' (or a name in the box), a checkpoint of ours, or published weights: a file, a folder, or a name on the Hugging Face hub",
    )
    .option('--tensors', 'lists every tensor', false)
    .action(async (from: string, given: { tensors: boolean }) => {
      if (isShownRun(from) && !modelsInBox().models.some(({ name }) => name === from)) {
        const folder = shownRun(from);
        const files = new RunFolder(folder).trained.map((stage) => join(folder, `${stage}.safetensors`));
        throw new OptionError(
          `info: expected a model or a checkpoint, got a run. It has ${files.join(', ') || 'none'}.`,
        );
      }
      const progress = showFetching();
      const path =
        isBoxName(from) && !existsSync(from)
          ? pathOfModel(from)
          : await localPath(from, { onProgress: progress.update }).finally(progress.leave);
      if (isPublished(path)) describePublished(path, given.tensors);
      else if (isModelFile(path)) await describeModel(path, given.tensors);
      else describeCheckpoint(path, given.tensors);
    });
}

async function describeModel(path: string, tensors: boolean): Promise<void> {
  const { metadata, classes } = await loadModel(path); // all of it, so that damage is found
  const { name, precision, data, seed, packageVersion, commands, figures, settings } = metadata;
  const { measured = data.heldOut } = metadata;
  const { train, heldOut, licenses } = data;
  console.log(`${path}: model ${name}, weights in ${precision}, by titok-ts ${packageVersion}`);
  console.log(`  trained on ${data.name}: ${train} images, ${heldOut} held out; seed ${seed}`);
  for (const { title, author, license, source } of licenses)
    console.log(`    ${title}, ${author}, ${license}, ${source}`);
  for (const command of commands) console.log(`  made by ${command}`);
  if (classes.length > 0) console.log(`  classes ${classes.join(', ')}`);
  const rows = figures as unknown as StageRow[];
  const notes = [...lengthsNote(rows), ...(measured > 0 ? [tableNote(measured)] : [])];
  if (rows.length > 0) console.log([`\n${table(rows)}\n`, ...notes, ''].join('\n'));
  const rounding = describeRounding(metadata);
  if (rounding) console.log(`  ${rounding}`);
  using file = openSafetensors(path);
  listGroups(inGroups(file.entries), tensors);
  console.log(`settings ${JSON.stringify(settings, null, 2)}`);
}

/** Reads what the file lists, not its values: any number format will do. */
function describePublished(path: string, tensors: boolean): void {
  using file = openTensorFile(path);
  const model = recognize(file);
  console.log(`${path}: published weights${model ? ` of ${model}` : ''}`);
  listGroups({ model: Object.fromEntries(file.entries) }, tensors);
}

function describeCheckpoint(path: string, tensors: boolean): void {
  const { groups, meta: read } = loadCheckpoint(path, {}, (meta) => metaOf(path, meta));
  const meta = metaOf(path, read);
  console.log(`${path}: stage ${meta.stage}, preset ${meta.preset ?? 'unknown'}, ${meta.state.done} updates done`);
  if (meta.origin) {
    const { data, seed } = meta.origin;
    const from = data.source ? `${data.source.path}: ` : '';
    console.log(
      `  trained on ${from}${data.train.count} ${data.tokens ? 'token rows' : 'images'} of ${data.classes.length} classes, seed ${seed}`,
    );
  }
  listGroups(groups, tensors);
  console.log(`settings ${JSON.stringify(meta.settings, null, 2)}`);
}

type Groups = Readonly<Record<string, Readonly<Record<string, ListedTensor>>>>;

/** 'tokenizer/latent_tokens' → tokenizer: latent_tokens */
function inGroups(entries: ReadonlyMap<string, ListedTensor>): Groups {
  const groups: Record<string, Record<string, ListedTensor>> = {};
  for (const [full, entry] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [group, ...name] = full.split('/');
    groups[group] ??= {};
    groups[group][name.join('/')] = entry;
  }
  return groups;
}

function listGroups(groups: Groups, tensors: boolean): void {
  for (const [group, members] of Object.entries(groups)) {
    const values = Object.values(members).reduce((n, t) => n + numel(t.shape), 0);
    console.log(
      `  ${group.padEnd(24)} ${String(Object.keys(members).length).padStart(4)} tensors  ${values.toLocaleString('en')} values`,
    );
    if (tensors)
      for (const [name, t] of Object.entries(members)) console.log(`    ${name} [${t.shape.join(', ')}] ${t.dtype}`);
  }
}
