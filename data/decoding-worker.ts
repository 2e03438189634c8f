/** The thread that decodes a stream's pictures: it answers requests in their order, and decodes the pictures of a request at the same time. */
import { workerData } from 'node:worker_threads';
import type { DecodingReply, DecodingRequest, DecodingSetup } from './decoding-thread.ts';
import { reason, Undecodable } from './errors.ts';
import { type RgbImage, toPlanes } from './pixels.ts';
import { decodeEach } from './squares.ts';

const { port, answered } = workerData as DecodingSetup;
let last: Promise<void> = Promise.resolve();
port.on('message', (request: DecodingRequest) => {
  last = last.then(async () => {
    port.postMessage(await answer(request));
    Atomics.add(answered, 0, 1);
    Atomics.notify(answered, 0);
  });
});

/** Writes the pixels where the request says. */
async function answer({ id, sources, size, places, pixels }: DecodingRequest): Promise<DecodingReply> {
  try {
    const write = (square: RgbImage, i: number) => pixels.set(toPlanes(square), i * 3 * size * size);
    const results = await decodeEach(sources, size, write, undefined, places);
    const broken = results.flatMap((error, at) => {
      if (!(error instanceof Undecodable)) return [];
      return { at, found: error.found, isUnknown: error.kind?.picture === 'unknown' };
    });
    return { id, broken };
  } catch (error) {
    return { id, broken: [], failure: reason(error) };
  }
}
