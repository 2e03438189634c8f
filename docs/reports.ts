/**
 * `npm run docs:report -- MODEL RUN`: writes the report of the run that made a model in the box to docs/reports/, from where
 * the site takes it. Its pictures are smaller than in the run's own report.html, of some 15 MB.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import sharp from 'sharp';
import { OptionError } from '../core/index.ts';
import { writeFileAtomic } from '../data/index.ts';
import { runTool } from '../tools/command.ts';
import { writeReport } from '../train/index.ts';

const pictureWidth = 480; // pixels
const pictureHeight = 320; // of a tall grid its top is shown

async function write(model: string, run: string): Promise<void> {
  const source = resolve('runs', run);
  if (!existsSync(join(source, 'log.jsonl')))
    throw new OptionError(`docs:report: expected a run with a log, got ${source}, which has no log.jsonl.`);
  const folder = mkdtempSync(join(tmpdir(), 'titok-report-'));
  try {
    const full = join(folder, 'report.html');
    symlinkSync(source, join(folder, model)); // a report is titled by its folder
    writeReport(full, [join(folder, model)]);
    const path = fileURLToPath(new URL(`reports/${model}.html`, import.meta.url));
    const text = await withSmallPictures(readFileSync(full, 'utf8'));
    writeFileAtomic(path, [new TextEncoder().encode(text)]);
    console.log(`docs/reports/${model}.html: ${Math.round(text.length / 1000)} kB`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Draws the PNG images of a page anew as small WebP images. */
async function withSmallPictures(html: string): Promise<string> {
  const parts = html.split(/data:image\/png;base64,([^"]*)/); // text and images by turns
  const small = parts.map(async (part, i) => (i % 2 === 0 ? part : smaller(Buffer.from(part, 'base64'))));
  return (await Promise.all(small)).join('');
}

async function smaller(png: Buffer): Promise<string> {
  const resized = await sharp(png).resize({ width: pictureWidth, withoutEnlargement: true }).png().toBuffer();
  const { width, height } = await sharp(resized).metadata();
  const webp = await sharp(resized)
    .extract({ left: 0, top: 0, width, height: Math.min(height, pictureHeight) })
    .webp({ quality: 70 })
    .toBuffer();
  return `data:image/webp;base64,${webp.toString('base64')}`;
}

await runTool(
  new Command('npm run docs:report --')
    .description('Writes the report of the run that made a model in the box to docs/reports/, for the site.')
    .argument('<model>', "a model in the box: 'emoji-32'")
    .argument('<run>', 'folder in runs/')
    .action(write),
);
