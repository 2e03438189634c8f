/** `titok export RUN`: a run's models as one file, weights only, or a training for PyTorch to go on with. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { OptionError } from '../../core/index.ts';
import { describeRounding, exportModel, exportTorch, isModelFile, type TorchStageName } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { commandsOf, quoted } from '../made-by.ts';
import type { Given } from '../options.ts';
import { prepareOutput } from '../pictures.ts';
import { openTrainedRun, runArgument, runFolder } from '../runs.ts';

const ending = '.safetensors';

interface ExportGiven extends Given {
  readonly half: boolean;
  readonly int8: boolean;
  readonly output?: string;
  readonly to: 'titok' | 'torch';
  readonly stage?: TorchStageName;
}

export function addExport(program: Command): void {
  const command = program
    .command('export')
    .description(
      "Writes a run's tokenizer and generator into one file, weights only, for --model, --from and loadModel(); or a folder with which PyTorch goes on training.",
    )
    .addArgument(runArgument('run to export'))
    .option('--half', '16 bits for each weight instead of 32', false)
    .option('--int8', '8 bits for each weight of matrices and convolutions, 16 for the others', false)
    .addOption(
      new Option(
        '--to <program>',
        "torch: a training of stage 1 or of the single stage, for 'titok import' to bring back",
      )
        .choices(['titok', 'torch'])
        .default('titok'),
    )
    .addOption(
      new Option('--stage <stage>', 'with --to torch: the training (default: the one that the run has)').choices([
        'warmup',
        'single',
      ]),
    )
    .option(
      '--output <path>',
      `${ending} file to write, which names the model (default: RUN${ending}); with --to torch a folder (default: RUN-torch)`,
    )
    .action(exportRun);
  addDeviceOptions(command, 'high');
}

async function exportRun(name: string, given: ExportGiven): Promise<void> {
  if (given.to === 'torch') return exportTraining(name, given);
  if (given.stage)
    throw new OptionError(`--stage: expected --to torch with it, got a file of the whole run. Leave it out.`);
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

async function exportTraining(name: string, given: ExportGiven): Promise<void> {
  if (given.half || given.int8)
    throw new OptionError(
      `--to torch: expected weights of 32 bits, got --${given.half ? 'half' : 'int8'}. Leave it out.`,
    );
  const output = given.output ?? `${name}-torch`;
  await openGivenDevice(given, 'highest');
  const run = await openTrainedRun(runFolder(name));
  const { stage, done, steps, notOfficial } = await exportTorch(run, output, given.stage);
  console.log(`${output}  ${stage}, ${done} of ${steps} updates done`);
  const there = (...names: string[]) => quoted(join(output, ...names));
  console.log(`check there:    titok verify ${quoted(output)}, then python3 ${there('verify.py')}`);
  console.log(`train there:    torchrun --nproc_per_node 8 ${there('train.py')} --steps ${Math.max(steps, 2 * done)}`);
  console.log(
    notOfficial === undefined
      ? `or there:       sh ${there('official', 'train.sh')} 1d-tokenizer stage1, with the paper's own code`
      : `no official/:   the paper's own code cannot go on with it: ${notOfficial}`,
  );
  console.log(`bring it back:  titok import ${quoted(output)} --name ${quoted(`${name}-back`)}`);
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
