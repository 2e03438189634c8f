/** Model files over HTTP, kept by the browser for the next visit. */

const cacheName = 'titok-models';

/** Bytes of a file that have arrived. */
export interface Arrived {
  readonly received: number;
}

/** The cache of model files, or undefined where the browser has none (pages without HTTPS) or refuses it (private windows). */
const openCache = async (): Promise<Cache | undefined> => globalThis.caches?.open(cacheName).catch(() => undefined);

const failure = (why: string): Error =>
  new Error(`The model could not be fetched: ${why}. Reload the page to try again.`);

/**
 * Fetches a file, from the cache if it is there. The URL should change with the content.
 *
 * @param read  makes of the bytes what is returned. What it throws at is not kept, or no visit would come past it.
 * @throws Error in words for visitors
 */
export async function* fetchCached<T>(
  url: string,
  read: (bytes: Uint8Array<ArrayBuffer>) => T | Promise<T>,
): AsyncGenerator<Arrived, T> {
  const cache = await openCache();
  try {
    const found = await cache?.match(url);
    if (found) return await read(new Uint8Array(await found.arrayBuffer()));
  } catch {} // fetched anew
  const response = await fetch(url).catch(() => undefined);
  if (!response?.ok || !response.body)
    throw failure(response ? `the server answered ${response.status}` : 'the network does not answer');
  const pieces: Uint8Array[] = [];
  let received = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw failure('the connection broke');
    });
    if (done) break;
    pieces.push(value);
    received += value.length;
    yield { received };
  }
  const bytes = new Uint8Array(received);
  pieces.reduce((at, piece) => {
    bytes.set(piece, at);
    return at + piece.length;
  }, 0);
  let result: T;
  try {
    result = await read(bytes);
  } catch {
    throw failure('what the server sent is no model');
  }
  await keep(cache, url, bytes);
  return result;
}

/** Keeps a file, and drops its earlier versions. A full disk is no reason to fail. */
async function keep(cache: Cache | undefined, url: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    const path = new URL(url, location.href).pathname;
    for (const old of (await cache?.keys()) ?? []) {
      if (new URL(old.url).pathname === path) await cache?.delete(old);
    }
    await cache?.put(url, new Response(bytes));
  } catch {}
}
