/** Letting messages in between two pieces of work: awaiting a synchronous device does not go through the event loop. */
const { port1, port2 } = new MessageChannel();

/** Resolves after the messages that have arrived meanwhile. A timer would wait for 4 ms. */
export const nextMessages = (): Promise<void> =>
  new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(undefined);
  });
