/** Event files, read by a reader of its own: frames, checksums, tags and values; and no update twice when a training goes on. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { loadImageFolder } from '../../data/index.ts';
import { openRun, readLog, teacher } from '../../train/index.ts';
import { StageEvents } from '../../train/report/events.ts';
import { crc32c } from '../../train/report/records.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { useOneThread } from './recipes.ts';

before(useOneThread);

/** Bit by bit. */
function castagnoli(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

type Field = number | Buffer;

/** Fields of a protobuf message by number; fixed-size and length-delimited ones as bytes. */
function fieldsOf(message: Buffer): Map<number, Field[]> {
  const fields = new Map<number, Field[]>();
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (; ; scale *= 128) {
      const byte = message[at++];
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const take = (length: number) => {
      at += length;
      return message.subarray(at - length, at);
    };
    const value = [varint, () => take(8), () => take(varint()), undefined, undefined, () => take(4)][key % 8]!();
    fields.set(key >>> 3, [...(fields.get(key >>> 3) ?? []), value]);
  }
  assert.equal(at, message.length);
  return fields;
}

interface Seen {
  readonly step: number;
  readonly tag: string;
  readonly value: number | Buffer;
}

/** All values in the event files of a folder, in the order of the files' names; every frame is checked. */
function eventsIn(folder: string): { seen: Seen[]; files: number; versions: string[] } {
  const seen: Seen[] = [];
  const versions: string[] = [];
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  for (const name of files) {
    assert.match(name, /^events\.out\.tfevents\.\d{10}\.[\w-]+\.\d+$/);
    const file = readFileSync(join(folder, name));
    for (let at = 0; at < file.length; ) {
      const length = Number(file.readBigUInt64LE(at));
      assert.equal(unmasked(file.readUInt32LE(at + 8)), castagnoli(file.subarray(at, at + 8)), 'length');
      const data = file.subarray(at + 12, at + 12 + length);
      assert.equal(unmasked(file.readUInt32LE(at + 12 + length)), castagnoli(data), 'data');
      at += 16 + length;
      const event = fieldsOf(data);
      const wallTime = (event.get(1)![0] as Buffer).readDoubleLE();
      assert.ok(Math.abs(wallTime - Date.now() / 1000) < 600);
      versions.push(...(event.get(3) ?? []).map(String));
      for (const summary of event.get(5) ?? []) {
        for (const value of fieldsOf(summary as Buffer).get(1) ?? []) {
          const fields = fieldsOf(value as Buffer);
          const [scalar, image] = [fields.get(2)?.[0] as Buffer, fields.get(4)?.[0] as Buffer];
          const read = scalar ? scalar.readFloatLE() : (fieldsOf(image).get(4)![0] as Buffer);
          if (image) {
            const [height, width] = [1, 2].map((field) => fieldsOf(image).get(field)![0]);
            assert.deepEqual([width, height], [(read as Buffer).readUInt32BE(16), (read as Buffer).readUInt32BE(20)]);
          }
          seen.push({ step: event.get(2)![0] as number, tag: String(fields.get(1)![0]), value: read });
        }
      }
    }
  }
  return { seen, files: files.length, versions };
}

test('CRC-32C has the check value of its catalogue', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(Buffer.of()), 0);
});

test('large steps, odd values and tags outside of ASCII', (t) => {
  const folder = temporaryFolder(t);
  const events = new StageEvents(folder, 'warmup', 0);
  events.update(3_000_000_000, { 'Größe λ': 0.5, inf: Number.POSITIVE_INFINITY });
  events.update(3_000_000_001, { nan: Number.NaN });
  const { seen, versions } = eventsIn(join(folder, 'tensorboard/warmup/train'));
  assert.deepEqual(versions, ['brain.Event:2']);
  assert.deepEqual(seen, [
    { step: 3_000_000_000, tag: 'Größe λ', value: 0.5 },
    { step: 3_000_000_000, tag: 'inf', value: Number.POSITIVE_INFINITY },
    { step: 3_000_000_001, tag: 'nan', value: Number.NaN },
  ]);
});

const settings = {
  imageSize: 16,
  teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 },
  steps: 9,
  batchSize: 2,
  continuousSteps: 3,
} as const;

test('a training that was left and killed shows each update once, with the values of its log', async (t) => {
  const folder = temporaryFolder(t);
  const dataset = await loadImageFolder(await writePictures(join(folder, 'images')), 16);
  const run = join(folder, 'run');
  const options = { dataset, tensorboard: true, measureEvery: 2, pictureEvery: 4 };
  const train = async (until = Number.POSITIVE_INFINITY) => {
    for await (const { step } of (await openRun(run, options)).train(teacher, settings)) if (step === until) break;
  };
  await train(5);
  const killed = new StageEvents(run, 'teacher', 5); // as a session that is killed before it saves leaves them
  for (const step of [6, 7]) killed.update(step, { loss: -1 });
  const events = join(run, 'tensorboard/teacher/train');
  appendFileSync(join(events, readdirSync(events).sort().at(-1)!), 'half a frame');
  await train();

  const log = readLog(run).get('teacher')!;
  const expected = (entries: typeof log.heldOut) =>
    entries.flatMap(({ step, figures }) =>
      Object.entries(figures).map(([tag, x]) => ({ step, tag, value: Math.fround(x) })),
    );
  const ofTrain = eventsIn(events);
  assert.equal(ofTrain.files, 3);
  assert.deepEqual(ofTrain.seen, expected(log.updates));
  const ofHeldOut = eventsIn(join(run, 'tensorboard/teacher/held-out')).seen;
  assert.deepEqual(
    ofHeldOut.filter(({ tag }) => tag !== 'pictures'),
    expected(log.heldOut),
  );
  const pictures = ofHeldOut.filter(({ tag }) => tag === 'pictures');
  assert.deepEqual(
    pictures.map(({ step }) => step),
    [1, 4, 8, 9],
  );
  for (const { step, value } of pictures)
    assert.deepEqual(value, readFileSync(join(run, `pictures/teacher-00000${step}.png`)));

  const again = await openRun(run, { ...options, tensorboard: false, resume: false });
  await again.fit(teacher, { ...settings, steps: 4 });
  assert.deepEqual(eventsIn(events).files, 0, 'trained again, the events of the training before are gone');
});
