/** `titok export RUN`: a run's models as one file, weights only. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import { describeRounding, exportModel, isModelFile } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { commandsOf } from '../made-by.ts';
import type { Given } from '../options.ts';
import { prepareOutput } from '../pictures.ts';
import { openTrainedRun, runArgument, runFolder } from '../runs.ts';

const ending = '.safetensors';

interface ExportGiven extends Given {
  readonly half: boolean;
  readonly int8: boolean;
  readonly output?: string;
}

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description(
      "Writes a run's tokenizer and generator into one file, weights only, for --model, --from and loadModel().",
    )
    .addArgument(runArgument('run to export'))
    .option('--half', '16 bits for each weight instead of 32', false)
    .option('--int8', '8 bits for each weight of matrices and convolutions, 16 for the others', false)
    .option('--output <file>', `${ending} file to write, which names the model (default: RUN${ending})`)
    .action(exportRun);
  addDeviceOptions(command, 'high');
}

async function exportRun(name: string, given: ExportGiven): Promise<void> {
  if (given.half && given.int8)
    throw new OptionError('--int8: expected one of --half and --int8, got both. Choose one.');
  const output = prepareOutput(checkedOutput(given.output ?? `${name}${ending}`));
  await openGivenDevice(given, 'high');
  const run = await openTrainedRun(runFolder(name));
  const { bytes, ...metadata } = await exportModel(run, output, {
    precision: given.half ? 'float16' : given.int8 ? 'int8' : 'float32',
    name: basename(output, ending),
    commands: commandsOf(run),
  });
  const rounding = describeRounding(metadata);
  if (rounding) console.log(rounding);
  console.log(`${output}  ${(bytes / 1e6).toFixed(1)} MB`);
}

/** @throws OptionError for a file of another kind, which may be a checkpoint that took hours */
function checkedOutput(path: string): string {
  if (!path.endsWith(ending)) throw new OptionError(`--output: expected a file that ends in ${ending}, got ${path}.`);
  if (existsSync(path) && !isReplaceable(path))
    throw new OptionError(`--output: expected a new file or a model to replace, got ${path}, which is something else.`);
  return path;
}

function isReplaceable(path: string): boolean {
  try {
    return isModelFile(path);
  } catch {
    return false; // no safetensors file
  }
}
