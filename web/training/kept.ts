/** The last training, kept by the browser in IndexedDB, so that a reload does not lose it. */
import type { Frame, Point, Ready } from './messages.ts';

/** A training as the page shows it, with what it needs to go on. */
export interface Run {
  readonly ready: Omit<Ready, 'log'>;
  readonly log: readonly Point[];
  readonly frames: readonly Frame[];
  /** As `packTraining` wrote it after `savedDone` updates; undefined before the first time. */
  readonly file: Uint8Array<ArrayBuffer> | undefined;
  readonly savedDone: number;
}

const [name, version, table, key] = ['titok-training', 1, 'runs', 'last'] as const;

/** Keeps a run in place of the last one. @throws Error in words for visitors when the browser refuses */
export async function keep(run: Run): Promise<void> {
  try {
    await access('readwrite', (runs) => runs.put(run, key));
  } catch (error) {
    const why =
      (error as Error | null)?.name === 'QuotaExceededError'
        ? 'its storage is full'
        : 'it keeps nothing for this page, as in private windows';
    throw new Error(`This browser cannot keep the training (${why}): a reload would lose it. Download it instead.`);
  }
}

/** The last run, or undefined when there is none that can be read. */
export async function kept(): Promise<Run | undefined> {
  return (await access('readonly', (runs) => runs.get(key)).catch(() => undefined)) as Run | undefined;
}

/** One request in a transaction of its own, until it is complete. */
async function access(mode: IDBTransactionMode, ask: (runs: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => request.result.createObjectStore(table);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(table, mode);
      const request = ask(transaction.objectStore(table));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? request.error);
    });
  } finally {
    database.close();
  }
}
