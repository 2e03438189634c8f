/** Options that all trainings take, and the session that they open. */
import { mkdirSync } from 'node:fs';
import type { Command } from 'commander';
import type { Session } from '../train/index.ts';
import {
  loadTrunk,
  openDataset,
  originalStatistics,
  type Preset,
  type PresetName,
  presets,
  runFolder,
  withHeldOut,
} from '../train/index.ts';
import { addDeviceOptions, type DeviceGiven } from './device.ts';
import { choice, count } from './values.ts';

/** As commander hands them over. */
export interface SessionGiven extends DeviceGiven {
  readonly preset: string;
  readonly name: string;
  readonly seed: string;
  readonly data: string;
  readonly resume: boolean;
  readonly pictureEvery: string;
  readonly saveEvery: string;
  readonly [setting: string]: unknown;
}

export const addSessionOptions = (command: Command): Command =>
  addDeviceOptions(command, 'high')
    .option('--preset <name>', Object.keys(presets).join(', '), 'tiny')
    .option('--name <name>', 'folder under runs/', 'quickstart')
    .option('--seed <number>', 'of weights, data order and samples', '0')
    .option('--data <folder>', "'emoji' or a folder of class folders", 'emoji')
    .option('--resume', 'go on where it stopped', false)
    .option('--picture-every <steps>', 'updates between pictures; 0: at the end', '250')
    .option('--save-every <steps>', 'updates between checkpoints; 0: at the end', '250');

export const presetOf = ({ preset }: SessionGiven): PresetName =>
  choice('--preset', preset, Object.keys(presets)) as PresetName;

/** Checks the options, then reads the data and measures the held-out images. */
export async function openSession(given: SessionGiven, imageSize: number): Promise<Session> {
  const options = {
    folder: runFolder(given.name),
    preset: presetOf(given),
    seed: count('--seed', given.seed),
    resume: given.resume,
    pictureEvery: count('--picture-every', given.pictureEvery),
    saveEvery: count('--save-every', given.saveEvery),
  };
  const { heldOut }: Preset = presets[options.preset];
  const dataset = withHeldOut(await openDataset(given.data, imageSize), heldOut);
  mkdirSync(options.folder, { recursive: true });
  const trunk = loadTrunk();
  const originals = await originalStatistics(trunk, dataset.validation, dataset.size);
  return { ...options, dataset, trunk, originals };
}

/** "4,000 training and 450 held-out images of 32×32 in 8 classes" */
export function describeDataset({ dataset: { train, validation, size, classes } }: Session): string {
  const n = (count: number) => count.toLocaleString('en');
  return `${n(train.count)} training and ${n(validation.count)} held-out images of ${size}×${size} in ${classes.length} classes`;
}
