/** Event files for TensorBoard, in runs/NAME/tensorboard/STAGE/train and …/held-out. */
import fs, { existsSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { CheckpointError } from '../../core/index.ts';
import type { LogFigures } from '../log.ts';
import type { StageName } from '../stage.ts';
import { bytes, double, encodeMessage, float, int, message, text } from './protobuf.ts';
import { framed, recordsIn } from './records.ts';

/** The events of a stage: figures while training, and figures and pictures of held-out images, as two curves in one chart. */
export class StageEvents {
  readonly #train: EventFile;
  readonly #heldOut: EventFile;

  /** @param done  updates that earlier sessions did */
  constructor(folder: string, stage: StageName, done: number) {
    const [train, heldOut] = eventFolders(folder, stage);
    this.#train = new EventFile(train, done);
    this.#heldOut = new EventFile(heldOut, done);
  }

  update(step: number, figures: LogFigures): void {
    this.#train.append(step, figures);
  }

  heldOut(step: number, figures: LogFigures): void {
    this.#heldOut.append(step, figures);
  }

  /** @param path  of a PNG file */
  picture(step: number, path: string): void {
    this.#heldOut.appendPicture(step, 'pictures', readFileSync(path));
  }

  /** Cuts off what earlier sessions wrote after an update. */
  forgetEarlier(step: number): void {
    for (const file of [this.#train, this.#heldOut]) file.forgetEarlier(step);
  }
}

/** Cuts off what the event files of a stage hold after an update. */
export function forgetEvents(folder: string, stage: StageName, step: number): void {
  for (const events of eventFolders(folder, stage)) forgetLater(events, step);
}

const eventFolders = (folder: string, stage: StageName) =>
  ['train', 'held-out'].map((part) => join(folder, 'tensorboard', stage, part)) as [string, string];

/**
 * Writes one event file. TensorBoard shows the files of a folder as one curve per tag. A session that goes on after an
 * update writes a file of its own, and `forgetEarlier` cuts off what earlier files have beyond.
 */
class EventFile {
  readonly #folder: string;
  readonly #done: number;
  #path: string | undefined;

  /** @param done  updates that earlier sessions did. The file is made with the first event */
  constructor(folder: string, done: number) {
    this.#folder = folder;
    this.#done = done;
  }

  /** Figures of one update, each under its name as tag. */
  append(step: number, figures: LogFigures): void {
    const values = Object.entries(figures).map(([tag, x]) => message(1, text(1, tag), float(2, x)));
    this.#write(event(step, message(5, ...values)));
  }

  /** A PNG file. */
  appendPicture(step: number, tag: string, png: Buffer): void {
    const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)]; // of its first chunk, IHDR
    const image = message(4, int(1, height), int(2, width), int(3, 3), bytes(4, png)); // 3: RGB
    this.#write(event(step, message(5, message(1, text(1, tag), image))));
  }

  /** Cuts off what earlier files of the folder hold after an update. */
  forgetEarlier(step: number): void {
    this.#try(() => forgetLater(this.#folder, step, this.#path));
  }

  #write(data: Uint8Array): void {
    this.#try(() => {
      if (this.#path === undefined) this.#open();
      fs.appendFileSync(this.#path!, framed(data));
    });
  }

  /** A name that comes after those of earlier sessions; the version of the format; and where this session starts. */
  #open(): void {
    fs.mkdirSync(this.#folder, { recursive: true });
    const earlier = eventFiles(this.#folder).map((name) => Number(name.split('.')[3]) || 0);
    const second = Math.max(Math.floor(Date.now() / 1000), 1 + Math.max(0, ...earlier));
    const host = hostname().replace(/[^\w-]/g, '-') || 'localhost';
    this.#path = join(this.#folder, `events.out.tfevents.${second}.${host}.${process.pid}`);
    const start = event(this.#done + 1, message(7, int(1, 1))); // tells TensorBoard to drop what it read of later updates
    fs.appendFileSync(this.#path, Buffer.concat([event(0, text(3, 'brain.Event:2')), start].map(framed)));
  }

  /** @throws CheckpointError when the disk is full or the folder cannot be written to */
  #try(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw new CheckpointError(
        `${this.#folder}: expected to write event files, got ${(error as Error).message}. Free some space or check permissions, then go on with --resume.`,
        { cause: error },
      );
    }
  }
}

/**
 * Cuts off what the event files of a folder hold after an update, and what was cut short.
 *
 * @param kept  a file that stays as it is
 */
function forgetLater(folder: string, step: number, kept?: string): void {
  for (const name of eventFiles(folder)) {
    const path = join(folder, name);
    if (path === kept) continue;
    const file = readFileSync(path);
    let end = 0;
    for (const { at, data } of recordsIn(file)) {
      if (stepOf(data) > step) break;
      end = at + 16 + data.length;
    }
    if (step === 0) rmSync(path);
    else if (end < file.length) truncateSync(path, end);
  }
}

function eventFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith('events.out.tfevents.'))
    .sort();
}

/** message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; SessionLog session_log = 7; } */
const event = (step: number, content: Uint8Array): Uint8Array =>
  encodeMessage(double(1, Date.now() / 1000), int(2, step), content);

/** The step of an encoded event: a varint behind the 9 bytes of wall_time. */
function stepOf(event: Uint8Array): number {
  let [step, scale] = [0, 1];
  for (let at = 10; at < event.length; at++, scale *= 128) {
    step += (event[at] & 127) * scale;
    if (event[at] < 128) break;
  }
  return step;
}
