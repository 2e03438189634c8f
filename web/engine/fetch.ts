/** Model files over HTTP, kept by the browser for the next visit. */

const cacheName = 'titok-models';

/** Bytes of a file that have arrived. */
export interface Arrived {
  readonly received: number;
  /** 0: the server does not say. */
  readonly total: number;
}

/** The cache of model files, or undefined where the browser has none (pages without HTTPS) or refuses it (private windows). */
const openCache = async (): Promise<Cache | undefined> => globalThis.caches?.open(cacheName).catch(() => undefined);

/**
 * Fetches a file, from the cache if it is there. The URL should change with the content.
 *
 * @throws Error in words for visitors
 */
export async function* fetchCached(url: string): AsyncGenerator<Arrived, Uint8Array<ArrayBuffer>> {
  const cache = await openCache();
  const found = await cache?.match(url).catch(() => undefined);
  if (found) return new Uint8Array(await found.arrayBuffer());
  const response = await fetch(url).catch(() => undefined);
  if (!response?.ok || !response.body) {
    const why = response ? `the server answered ${response.status}` : 'the network does not answer';
    throw new Error(`The model could not be fetched: ${why}. Reload the page to try again.`);
  }
  const total = Number(response.headers.get('Content-Length') ?? 0);
  const pieces: Uint8Array[] = [];
  let received = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    received += value.length;
    yield { received, total };
  }
  const bytes = new Uint8Array(received);
  pieces.reduce((at, piece) => {
    bytes.set(piece, at);
    return at + piece.length;
  }, 0);
  await keep(cache, url, bytes);
  return bytes;
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
