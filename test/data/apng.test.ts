/** Animated PNG, taken apart again by a reader of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { animatedPng, decodeImage } from '../../data/index.ts';

const [width, height] = [40, 30];

const png = (value: number, size = { width, height }, palette = false): Promise<Buffer> =>
  sharp(
    Buffer.from({ length: size.width * size.height * 3 } as ArrayLike<number>).map((_, i) => (i * value) % 251),
    { raw: { ...size, channels: 3 } },
  )
    .png({ palette })
    .toBuffer();

/** Bit by bit, as in the specification's appendix. */
function crc(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  }
  return (c ^ 0xffffffff) >>> 0;
}

function chunksOf(file: Buffer): { type: string; data: Buffer }[] {
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const body = file.subarray(at + 4, at + 8 + length);
    assert.equal(file.readUInt32BE(at + 8 + length), crc(body), `checksum at ${at}`);
    chunks.push({ type: body.toString('latin1', 0, 4), data: body.subarray(4) });
    at += 12 + length;
  }
  return chunks;
}

/** A still PNG of some compressed data. */
function still(header: Buffer, data: readonly Buffer[]): Buffer {
  const chunk = (type: string, content: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), content]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(content.length, 0);
    frame.writeUInt32BE(crc(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', Buffer.concat(data)),
    chunk('IEND', Buffer.of()),
  ]);
}

test('frames come back to the pixel, in order, with their times; a plain reader sees the last', async () => {
  const frames = await Promise.all([1, 7, 90].map((value) => png(value)));
  const file = Buffer.from(animatedPng(frames, { milliseconds: 300, lastMilliseconds: 2000 }));
  const chunks = chunksOf(file);
  assert.deepEqual([chunks[0].type, chunks[1].type, chunks.at(-1)!.type], ['IHDR', 'acTL', 'IEND']);
  assert.deepEqual([...chunks[1].data], [0, 0, 0, 3, 0, 0, 0, 0], '3 frames, for ever');
  const moving = chunks.filter(({ type }) => type === 'fcTL' || type === 'fdAT');
  assert.deepEqual(
    moving.map(({ data }) => data.readUInt32BE(0)),
    moving.map((_, i) => i),
    'one sequence of numbers',
  );
  const times: number[] = [];
  const parts: Buffer[][] = [];
  for (const { type, data } of moving) {
    if (type === 'fdAT') parts.at(-1)!.push(data.subarray(4));
    else {
      assert.deepEqual(
        [4, 8, 12, 16].map((at) => data.readUInt32BE(at)),
        [width, height, 0, 0],
      );
      times.push(data.readUInt16BE(20) / data.readUInt16BE(22));
      parts.push([]);
    }
  }
  assert.deepEqual(times, [0.3, 0.3, 2]);
  for (const [i, data] of parts.entries())
    assert.deepEqual(await decodeImage(still(chunks[0].data, data)), await decodeImage(frames[i]), `frame ${i}`);
  assert.deepEqual(await decodeImage(file), await decodeImage(frames[2]), 'a reader of plain PNG');
});

test('frames that do not fit are refused', async () => {
  const small = await png(3, { width: 8, height: 8 });
  const mistakes: [frames: Uint8Array[], message: RegExp][] = [
    [[], /^animatedPng: expected frames, got none\.$/],
    [[small, await png(3)], /^animatedPng: expected frames of one size and kind, got another as frame 0\.$/],
    [[Buffer.from('GIF89a')], /^animatedPng, frame 0: expected a PNG without a palette, got another kind of file\.$/],
    [[small.subarray(0, 60)], /^animatedPng, frame 0: .* got one that is cut short\.$/],
    [[await png(3, { width: 8, height: 8 }, true)], /^animatedPng, frame 0: .* got the chunk PLTE\.$/],
  ];
  for (const milliseconds of [-1, 0.5, 65_536, Number.NaN])
    assert.throws(() => animatedPng([small], { milliseconds }), { name: 'OptionError', message: /milliseconds/ });
  for (const [frames, message] of mistakes) assert.throws(() => animatedPng(frames), { name: 'DataError', message });
});
