/** The page on a run that is training: its latest checkpoints as a model of the page, and its curves. */
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OptionError } from '../core/index.ts';
import { crc32 } from '../data/index.ts';
import type { Files } from '../http/index.ts';
import { modelSoFar, modelsInBox, Run, RunFolder, readLog, reportPage, serializeModel } from '../train/index.ts';

/** Content of run.json, and what the page is told when it is loaded. */
export interface WatchedRun {
  readonly run: string;
  /** 'warmup, update 713'; 'Nothing is trained yet' */
  readonly progress: string;
  /** The stage that trained last. */
  readonly stage?: StageName;
  /** Whether the run, as the models in the box, was trained on the package's emoji without those that are held out. */
  readonly emojiHeldOut: boolean;
  /** Missing while the run has nothing that gives pixels. */
  readonly model?: WatchedModel;
  /** Why its checkpoints cannot be shown, if so. */
  readonly problem?: string;
}

/** As the models in the box are listed on the page. */
export interface WatchedModel {
  /** 'small, finetune 250, 14:03:22': another one for each checkpoint. */
  readonly name: string;
  /** In models/. */
  readonly file: string;
  readonly about: string;
  readonly bytes: number;
  readonly crc32: string;
  readonly tokens: number;
  readonly codes: number;
}

const beside = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const modelFile = 'run.safetensors';

/**
 * The folder of the built page: dist/web, of the package or of a checkout.
 *
 * @throws OptionError when it was not built
 */
export function pageFolder(): string {
  const folders = [beside('web'), beside('dist/web')];
  const found = folders.find((folder) => existsSync(join(folder, 'emoji/wall.json')));
  if (found !== undefined) return found;
  throw new OptionError(`watch: expected the built page in ${folders[1]}, got none. Run 'npm run build' first.`);
}

/**
 * The files of the page on a run. Checkpoints are read when somebody asks and they have changed.
 *
 * @param folder  of the run
 * @param page    the folder of the built page
 */
export function watchFiles(folder: string, page: string): Files {
  let read: { readonly version: string; readonly file: Promise<ModelFile | undefined> } | undefined;
  const latest = async (): Promise<ModelFile | undefined> => {
    const saved = savedAt(folder);
    const version = JSON.stringify(saved);
    if (read?.version !== version) read = { version, file: readModelFile(folder, saved) };
    return read.file;
  };
  const state = async (): Promise<WatchedRun> => {
    const told = { run: basename(resolve(folder)), ...progressOf(folder), emojiHeldOut: holdsEmojiOut(folder) };
    try {
      const found = await latest();
      return found ? { ...told, model: found.entry } : told;
    } catch (error) {
      return { ...told, problem: (error as Error).message };
    }
  };
  return async (path) => {
    if (path === '/run.json') return JSON.stringify(await state());
    if (path === `/models/${modelFile}`) return (await latest())?.bytes;
    if (path === '/report/index.html') return reportPage([folder]);
    if (path === '/index.html') return withRun(await readFile(join(page, path), 'utf8'), await state());
    const file = await fileIn(path, page);
    return path === '/emoji/wall.json' && file && !holdsEmojiOut(folder) ? withoutHeldOut(file) : file;
  };
}

interface ModelFile {
  readonly entry: WatchedModel;
  readonly bytes: Uint8Array;
}

/** When each checkpoint was written, oldest first; milliseconds. */
function savedAt(folder: string): readonly (readonly [stage: StageName, ms: number])[] {
  const run = new RunFolder(folder);
  return run.trained
    .map((name) => [name, statSync(run.checkpoint({ name })).mtimeMs] as const)
    .sort(([, a], [, b]) => a - b);
}
type StageName = RunFolder['trained'][number];

async function readModelFile(folder: string, saved: ReturnType<typeof savedAt>): Promise<ModelFile | undefined> {
  const run = new Run(folder, {});
  const model = await modelSoFar(run);
  if (!model) return undefined;
  const [stage, ms] = saved.at(-1)!;
  const { done } = run.meta({ name: stage }).state;
  const name = `${basename(resolve(folder))}, ${stage} ${done}, ${new Date(ms).toLocaleTimeString('en-GB')}`;
  const metadata = { ...model.metadata, name, precision: 'float16' } as const;
  const bytes = Buffer.concat(await serializeModel(model, metadata));
  const { imageSize, latentTokens, codebookSize } = model.tokenizer.config;
  const about = `${imageSize} × ${imageSize} pixels in ${latentTokens} tokens of ${codebookSize} codes`;
  const size = { bytes: bytes.length, crc32: crc32(bytes), tokens: latentTokens, codes: codebookSize };
  return { entry: { name, file: modelFile, about, ...size }, bytes };
}

function progressOf(folder: string): Pick<WatchedRun, 'progress' | 'stage'> {
  const last = [...readLog(folder)].at(-1);
  if (!last) return { progress: 'Nothing is trained yet' };
  const [stage, { updates }] = last;
  return { progress: `${stage}, update ${updates.at(-1)?.step ?? 0}`, stage };
}

/** False for a run on other pictures, some of which may be on the wall, and while there is no checkpoint to tell. */
function holdsEmojiOut(folder: string): boolean {
  const run = new RunFolder(folder);
  const box = modelsInBox().models.map(({ name }) => name);
  const isOnEmoji = (stage: StageName) => {
    const { origin, settings = {} } = run.readableMeta(stage) ?? {};
    const from = settings['from'] || undefined;
    return origin?.data.source?.path === 'emoji' && (from === undefined || box.includes(`${from}`));
  };
  return run.trained.length > 0 && run.trained.every(isOnEmoji);
}

const withoutHeldOut = (wall: Uint8Array): string =>
  JSON.stringify({ ...JSON.parse(Buffer.from(wall).toString()), heldOut: [] });

/** The page with what it is on, which its script reads. */
const withRun = (html: string, run: WatchedRun): string =>
  html.replace(
    '</head>',
    () => `<script id="run" type="application/json">${JSON.stringify(run).replaceAll('<', '\\u003c')}</script></head>`,
  );

/** Files of the page, and of the package what it fetches: models and emoji. */
async function fileIn(path: string, page: string): Promise<Uint8Array | undefined> {
  if (path.split(/[/\\]/).includes('..')) return undefined;
  const emoji = /^\/emoji\/([\w-]+\.webp)$/.exec(path)?.[1];
  const candidates = [
    join(page, path),
    ...(path.startsWith('/models/') ? [beside(path.slice(1))] : []),
    ...(emoji ? [beside(`data/assets/emoji/${emoji}`)] : []),
  ];
  const found = candidates.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
  return found === undefined ? undefined : readFile(found);
}
