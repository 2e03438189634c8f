/** The engine: a worker that holds the model and does one task after the other. */
import { nextMessages } from './next-messages.ts';
import type { Reply, Request, Task } from './protocol.ts';
import { tasks } from './tasks.ts';

const reply = (message: Reply): void => postMessage(message);
const canceled = new Set<number>();
let last: Promise<void> = Promise.resolve();

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if (data.kind === 'cancel') canceled.add(data.id);
  else last = last.then(() => run(data));
});

async function run({ id, task, args }: Request & { kind: 'run' }): Promise<void> {
  try {
    await nextMessages();
    if (canceled.has(id)) return reply({ kind: 'canceled', id });
    const parts = (tasks[task] as Task)(...(args as never[]));
    if (parts instanceof Promise) return reply({ kind: 'done', id, value: await parts });
    for (;;) {
      await nextMessages();
      if (canceled.has(id)) {
        await parts.return(undefined);
        return reply({ kind: 'canceled', id });
      }
      const { done, value } = await parts.next();
      if (done) return reply({ kind: 'done', id, value });
      reply({ kind: 'part', id, value });
    }
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    reply({ kind: 'failed', id, name, message });
  } finally {
    canceled.delete(id);
  }
}
