/** A thread that decodes pictures ahead of need. The thread that asks may wait for it without giving up its turn. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { DataError } from '../core/index.ts';
import type { FileSource } from './squares.ts';

/** What the thread starts with. */
export interface DecodingSetup {
  readonly port: MessagePort;
  /** Number of answers, shared: who waits for one sleeps until it changes. */
  readonly answered: Int32Array;
}

/** Pictures to decode. */
export interface DecodingRequest {
  readonly id: number;
  readonly sources: readonly FileSource[];
  readonly size: number; // pixels
  /** Of the squares along the longer edges, as of `planSquare`; left out: the middle. */
  readonly places?: readonly number[] | undefined;
  /** [sources, 3, size, size], shared memory. */
  readonly pixels: Uint8Array;
}

/** What became of them. */
export interface DecodingReply {
  readonly id: number;
  readonly broken: readonly Broken[];
  /** Why nothing can be decoded: sharp is missing, memory is full. */
  readonly failure?: string;
}

/** A picture that cannot be read. */
export interface Broken {
  /** Its place in the request. */
  readonly at: number;
  /** 'an HTML page' */
  readonly found: string;
  /** A type of picture that is not decoded at all, such as BMP. */
  readonly isUnknown: boolean;
}

const patienceMs = 300_000;

/** Starts with the first request, and does not keep the program running. */
export class DecodingThread {
  readonly #answered = new Int32Array(new SharedArrayBuffer(4));
  readonly #replies = new Map<number, DecodingReply>();
  #port: MessagePort | undefined;
  #requests = 0;

  /** Returns the request's id for `wait`. */
  request(request: Omit<DecodingRequest, 'id'>): number {
    this.#port ??= start(this.#answered);
    const id = this.#requests++;
    this.#port.postMessage({ id, ...request } satisfies DecodingRequest);
    return id;
  }

  /** Blocks until a request is answered. @throws DataError when the thread fails, or has been silent for five minutes */
  wait(id: number): readonly Broken[] {
    for (;;) {
      const seen = Atomics.load(this.#answered, 0);
      const message: { message: DecodingReply } | undefined = receiveMessageOnPort(this.#port!);
      if (message) this.#replies.set(message.message.id, message.message);
      if (message?.message.failure) throw new DataError(`images: expected pictures, got ${message.message.failure}.`);
      const reply = this.#replies.get(id);
      this.#replies.delete(id);
      if (reply) return reply.broken;
      if (message || Atomics.wait(this.#answered, 0, seen, patienceMs) !== 'timed-out') continue;
      throw new DataError(
        `images: expected pictures within ${patienceMs / 60_000} minutes, got none. Can the disk be reached?`,
      );
    }
  }
}

function start(answered: Int32Array): MessagePort {
  const { port1, port2 } = new MessageChannel();
  const isSource = import.meta.url.endsWith('.ts');
  const file = new URL(`./decoding-worker.${isSource ? 'ts' : 'js'}`, import.meta.url).href;
  const tsx = isSource && import.meta.resolve('tsx/esm/api'); // which compiles in this thread, but not yet in the other
  const code = `
    const { port, answered } = require('node:worker_threads').workerData;
    const load = async () => {
      if (${isSource}) (await import('${tsx}')).register();
      await import('${file}');
    };
    load().catch(({ message }) => {
      port.postMessage({ id: -1, broken: [], failure: message });
      Atomics.add(answered, 0, 1);
      Atomics.notify(answered, 0);
    });`;
  const workerData: DecodingSetup = { port: port2, answered };
  new Worker(code, { eval: true, workerData, transferList: [port2] }).unref();
  port1.unref();
  return port1;
}
