/** The worker that trains, so that the page never waits. One worker is one training. */
import { nextMessages } from '../engine/next-messages.ts';
import type { Report, Request } from './messages.ts';
import { type Pace, train } from './session.ts';

const slowMs = 600; // between updates
const report = (message: Report): void =>
  postMessage(message, { transfer: message.kind === 'saved' ? [message.file.buffer] : [] });

let left = Number.POSITIVE_INFINITY; // updates until the next pause
let [stopped, slow, requests] = [false, false, 0];
let className: string | undefined;
let heard = () => {};

const pace: Pace = {
  get className() {
    return className;
  },
  async next(waiting) {
    await nextMessages();
    const until = performance.now() + slowMs;
    while (slow && left > 0 && !stopped && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 20));
    while (left === 0 && !stopped) {
      const before = requests;
      await waiting();
      if (requests === before)
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
    }
    left--;
    return !stopped;
  },
};

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  requests++;
  switch (data.kind) {
    case 'start':
      train(data, report, pace).catch(({ name, message }: Error) => report({ kind: 'failed', name, message }));
      break;
    case 'play':
      left = data.updates;
      break;
    case 'pause':
      left = 0;
      break;
    case 'stop':
      stopped = true;
      break;
    case 'slow':
      ({ slow } = data);
      break;
    case 'class':
      className = data.name;
  }
  heard();
});
