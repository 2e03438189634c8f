/**
 * `npm run mutation -- [FILE…]`: changes each file in hundreds of small ways (`<` to `<=`, a block to nothing) and runs its
 * tests against each change. A change that no test notices survives: there is a line that could be wrong in silence.
 * Stryker makes the changes; esbuild bundles each test file, so that a run takes a fraction of a second.
 */
import type { LogLevel } from '@stryker-mutator/api/core';
import { Stryker } from '@stryker-mutator/core';
import { Command } from 'commander';
import { OptionError, suggestion } from '../../core/index.ts';
import { runTool } from '../command.ts';

/** The files and the tests that answer for them, the quickest first: a change is dropped at the first that fails. */
const targets: Readonly<Record<string, readonly string[]>> = {
  'core/grad.ts': ['test/core/grad.test.ts', 'test/core/learner.test.ts'],
  'core/op.ts': ['test/core/op.test.ts', 'test/core/learner.test.ts'],
  'nn/quantizers/vq.ts': ['test/nn/quantizer.test.ts', 'test/core/learner.test.ts'],
  'nn/quantizers/ema.ts': ['test/nn/quantizer.test.ts', 'test/core/learner.test.ts'],
  'nn/quantizers/fsq.ts': ['test/nn/quantizers.test.ts'],
  'nn/quantizers/binary.ts': ['test/nn/quantizers.test.ts'],
  'data/safetensors.ts': ['test/data/safetensors.test.ts'],
  'maskgit/masking.ts': ['test/maskgit/masking.test.ts'],
  'maskgit/order.ts': ['test/maskgit/order.test.ts'],
  'maskgit/sampler.ts': ['test/maskgit/sampler.test.ts', 'test/core/learner.test.ts'],
};
const leastScore = 80; // percent

async function run(files: readonly string[]): Promise<void> {
  for (const file of files.length > 0 ? files : Object.keys(targets)) {
    const names = Object.keys(targets);
    if (!targets[file]) {
      throw new OptionError(`mutation: expected files of ${names.join(', ')}, got ${file}${suggestion(file, names)}.`);
    }
    await mutate(file, targets[file]);
  }
}

/** Prints what survived and the score; the exit status is 1 when it is too low. */
async function mutate(file: string, tests: readonly string[]): Promise<void> {
  await new Stryker({
    mutate: [file],
    buildCommand: `tsx tools/mutation/bundle.ts ${tests.join(' ')}`,
    plugins: ['@stryker-mutator/tap-runner'],
    testRunner: 'tap',
    tap: { testFiles: tests.map((test) => test.replace(/\.ts$/, '.mjs')), nodeArgs: ['--test-reporter=tap'] },
    ignorePatterns: ['docs', 'runs', 'dist'],
    tempDirName: 'runs/mutation',
    cleanTempDir: 'always',
    concurrency: 1,
    logLevel: 'error' as LogLevel, // an enum without values at run time
    reporters: ['clear-text'],
    clearTextReporter: { allowColor: false, logTests: false, reportScoreTable: true },
    thresholds: { high: leastScore, low: leastScore, break: leastScore },
    allowConsoleColors: false,
  }).runMutationTest();
}

const program = new Command('npm run mutation --')
  .description(
    'Changes files in many small ways and runs their tests against each change; prints what no test notices.',
  )
  .argument('[files...]', Object.keys(targets).join(', '))
  .action(run);

await runTool(program, 2);
