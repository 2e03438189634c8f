/** The worker that trains, so that the page never waits. One worker is one training. */
import type { Report, Request } from './messages.ts';
import { train } from './session.ts';

const report = (message: Report): void => postMessage(message);
let stopped = false;

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if (data.kind === 'stop') {
    stopped = true;
    return;
  }
  train(data, report, () => stopped).catch((error: Error) =>
    report({ kind: 'failed', message: `${error.name}: ${error.message}` }),
  );
});
