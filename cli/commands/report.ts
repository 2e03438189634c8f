/** `titok report RUN…`: curves, pictures and figures of one run or several on one page. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import { writeReport } from '../../train/index.ts';
import { CheckedOption } from '../options.ts';
import { prepareOutput } from '../pictures.ts';
import { shownRun } from '../runs.ts';

const outputOption = () =>
  new CheckedOption(
    '--output <file>',
    'HTML file to write (default: report.html, of one run in its folder)',
    (text) => {
      if (/\.html?$/i.test(text)) return text;
      throw new OptionError(`--output: expected a file name that ends in .html, got '${text}'.`);
    },
  );

export function addReport(program: Command): void {
  program
    .command('report')
    .description('Writes curves, pictures over time and figures of runs to one HTML file that opens anywhere.')
    .argument('<runs...>', 'folders in runs/; the curves of several are drawn in the same charts')
    .addOption(outputOption())
    .action((names: string[], given: { output?: string }) => {
      const folders = [...new Set(names.map(shownRun))];
      const output = prepareOutput(given.output ?? join(folders.length === 1 ? folders[0] : '', 'report.html'));
      writeReport(output, folders);
      console.log(output);
    });
}
