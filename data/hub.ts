/**
 * Files from the Hugging Face hub, kept where and as the Python package huggingface_hub keeps them, so that both find what
 * the other fetched:
 *
 *   HF_HUB_CACHE, or HF_HOME/hub, or ~/.cache/huggingface/hub
 *     models--OWNER--NAME/
 *       refs/main                  the commit that the branch pointed to
 *       blobs/ETAG                 contents, by their checksum
 *       snapshots/COMMIT/FILE      links to them
 *
 * HF_ENDPOINT names another hub, HF_TOKEN (or the file HF_HOME/token) an account, HF_HUB_OFFLINE=1 leaves the network alone.
 *
 * @see https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { DataError } from '../core/index.ts';
import { writeFileAtomic } from './atomic-write.ts';
import { megabytes, reason } from './errors.ts';
import { waitToLock } from './lock.ts';

/** Options of `fetchFromHub`. */
export interface HubOptions {
  /** Branch, tag or commit. Default 'main'. */
  readonly revision?: string;
  /** Called now and then with the file's name, and how many of its bytes are here. */
  readonly onProgress?: (file: string, done: number, total: number) => void;
  /** Where HF_HOME and the others are read. Default: the variables of this process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** The repository is there, but has no file of that name. */
export class HubEntryError extends DataError {}

/** The hub was not asked, or did not answer, and the file is not in the cache. */
export class HubUnreachableError extends DataError {}

/**
 * The path of a file of a repository, which is fetched if it is not in the cache. A fetch that was interrupted goes on where it
 * stopped; what arrives must have the checksum that the hub names. Without a network, what is in the cache is used. Of several
 * processes that want a file, one fetches it and the others wait.
 *
 *   const path = await fetchFromHub('yucornetto/tokenizer_titok_s128_imagenet', 'model.safetensors');
 *
 * @throws DataError when the repository does not exist or needs an account, when the hub cannot be reached and the file is not
 *   in the cache, or when what arrives is damaged; HubEntryError when the repository has no such file
 */
export async function fetchFromHub(repository: string, file: string, options: HubOptions = {}): Promise<string> {
  const { revision = 'main', onProgress, environment = process.env } = options;
  const place = placesOf(repository, environment);
  const cached = inCache(place.folder, revision, file);
  if (cached !== undefined && isCommit(revision)) return cached;
  const fail = (got: string, cause?: unknown): never => {
    throw new HubUnreachableError(`${repository}: expected ${file} from ${place.endpoint}, got ${got}`, { cause });
  };
  if (isSet(environment['HF_HUB_OFFLINE'])) return cached ?? fail('no copy in the cache, and HF_HUB_OFFLINE is set.');

  const url = `${place.endpoint}/${repository}/resolve/${encodeURIComponent(revision)}/${file}`;
  let token = tokenOf(environment, place.home);
  let head: Head | Response;
  try {
    head = await headOf(url, token);
    if (head instanceof Response && isBadToken(head) && token !== undefined) {
      const open = await headOf(url, undefined); // a public repository needs none
      if (!(open instanceof Response)) [head, token] = [open, undefined];
    }
  } catch (error) {
    return (
      cached ?? fail(`${reasonOf(error)}. Is there a connection? What was fetched once is used without one.`, error)
    );
  }
  if (head instanceof Response) {
    if ((head.status >= 500 || head.status === 429 || isBadToken(head)) && cached !== undefined) return cached;
    const { message, isEntry } = refusal(head, repository, file, revision, token !== undefined);
    if (isEntry) throw new HubEntryError(message);
    throw new DataError(message);
  }

  writeRef(place.folder, revision, head.commit);
  const link = join(place.folder, 'snapshots', head.commit, file);
  if (isWhole(link, head.size)) return link;
  const blob = join(place.folder, 'blobs', head.etag);
  const lock = join(dirname(place.folder), '.locks', basename(place.folder), head.etag);
  const release = await waitToLock(lock, () => onProgress?.(file, sizeOf(partOf(blob)), head.size));
  try {
    if (!fs.existsSync(blob))
      await fetchBlob(head, blob, token, place, { repository, file, onProgress: onProgress ?? (() => {}) });
    if (!isWhole(link, head.size)) linkTo(blob, link, `${repository}, ${file}`);
  } finally {
    release();
  }
  return link;
}

interface Place {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly home: string;
  /** Of the repository, in the cache. */
  readonly folder: string;
}

function placesOf(repository: string, env: Readonly<Record<string, string | undefined>>): Place {
  const home = env['HF_HOME'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'huggingface');
  const cache = env['HF_HUB_CACHE'] || env['HUGGINGFACE_HUB_CACHE'] || join(home, 'hub');
  const endpoint = (env['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/+$/, '');
  return { endpoint, home, folder: join(cache, `models--${repository.replaceAll('/', '--')}`) };
}

const isSet = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '');
const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

function tokenOf(env: Readonly<Record<string, string | undefined>>, home: string): string | undefined {
  const given = env['HF_TOKEN'] || env['HUGGING_FACE_HUB_TOKEN'];
  if (given) return given.trim();
  const path = env['HF_TOKEN_PATH'] || join(home, 'token');
  return (fs.existsSync(path) && fs.readFileSync(path, 'utf8').trim()) || undefined;
}

/** The file as the cache has it. */
function inCache(folder: string, revision: string, file: string): string | undefined {
  const ref = join(folder, 'refs', revision);
  const commit = isCommit(revision) ? revision : fs.existsSync(ref) ? fs.readFileSync(ref, 'utf8').trim() : undefined;
  const path = commit && join(folder, 'snapshots', commit, file);
  return path && fs.existsSync(path) ? path : undefined;
}

/** The folder of a repository's files in the cache, at a revision; undefined when none has been fetched. */
export function cachedSnapshot(repository: string, revision = 'main'): string | undefined {
  return inCache(placesOf(repository, process.env).folder, revision, '');
}

/** What the hub says of a file. */
interface Head {
  readonly commit: string;
  /** SHA-256 of a large file, else git's SHA-1 of a blob. */
  readonly etag: string;
  /** bytes */
  readonly size: number;
  /** Where its bytes are; often another host's. */
  readonly location: string;
}

const timeoutMs = 30_000;

/** Follows redirects on the same host alone: the one to the storage is the answer. @returns the response when it is an error */
async function headOf(url: string, token: string | undefined): Promise<Head | Response> {
  let commit = '';
  for (let hops = 0; hops < 10; hops++) {
    const response = await fetch(url, {
      method: 'HEAD',
      redirect: 'manual',
      headers: { 'accept-encoding': 'identity', ...authorization(token) },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const header = (name: string) => response.headers.get(name) ?? undefined;
    const location = header('location');
    commit = header('x-repo-commit') ?? commit;
    const isRedirect = response.status >= 300 && response.status < 400 && location !== undefined;
    if (isRedirect && header('x-linked-etag') === undefined && new URL(location, url).host === new URL(url).host) {
      url = new URL(location, url).href;
      continue;
    }
    if (!isRedirect && !response.ok) return response;
    const etag = (header('x-linked-etag') ?? header('etag') ?? '').replace(/^W\//, '').replace(/^"|"$/g, '');
    const size = Number(header('x-linked-size') ?? header('content-length'));
    if (!isCommit(commit) || !/^[\w-]+$/.test(etag) || !Number.isSafeInteger(size))
      throw new Error('an answer that is not that of a hub (no commit, checksum or size)');
    return { commit, etag, size, location: new URL(location ?? '', url).href };
  }
  throw new Error('more than 10 redirects');
}

const authorization = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

function refusal(
  { status, headers }: Pick<Response, 'status' | 'headers'>,
  repository: string,
  file: string,
  revision: string,
  hasToken: boolean,
): { message: string; isEntry: boolean } {
  const code = headers.get('x-error-code') ?? '';
  const say = (message: string) => ({ message: `${repository}: ${message}`, isEntry: code === 'EntryNotFound' });
  const account = hasToken ? 'Is HF_TOKEN that of an account with access?' : 'Set HF_TOKEN if it is private.';
  if (isBadToken({ status, headers }))
    return say(`expected a valid token in HF_TOKEN, or in the file of HF_HOME, got HTTP ${status}: ${headers.get('x-error-message')}. Make a new one, or remove it.`); // biome-ignore format: one thought
  if (code === 'EntryNotFound') return say(`expected a file ${file}, got a repository without it.`);
  if (code === 'RevisionNotFound') return say(`expected a revision '${revision}', got a repository without it.`);
  if (code === 'GatedRepo')
    return say(
      `expected access, got a repository whose owner asks for consent. Agree on its page on the hub, then set HF_TOKEN to a token of your account.`,
    );
  if (code === 'RepoNotFound' || status === 401 || status === 404)
    return say(`expected a file, a folder or a repository on the hub, got none of that name. ${account}`);
  if (status === 403) return say(`expected access to ${file}, got HTTP 403. ${account}`);
  if (status === 429) return say('expected an answer, got HTTP 429: too many requests. Wait a few minutes.');
  return say(`expected ${file}, got HTTP ${status} (${headers.get('x-error-message') ?? code}). Try again later.`);
}

/** The hub knows no account of the token that was sent. */
const isBadToken = ({ status, headers }: Pick<Response, 'status' | 'headers'>): boolean =>
  status === 401 && /invalid (?:credentials|user|token)/i.test(headers.get('x-error-message') ?? '');

function writeRef(folder: string, revision: string, commit: string): void {
  const ref = join(folder, 'refs', revision);
  if (revision === commit || (fs.existsSync(ref) && fs.readFileSync(ref, 'utf8').trim() === commit)) return;
  try {
    fs.mkdirSync(dirname(ref), { recursive: true });
    writeFileAtomic(ref, [new TextEncoder().encode(commit)]);
  } catch (error) {
    if (!noRoom.includes((error as NodeJS.ErrnoException).code ?? '')) throw error; // else what is there may do
  }
}

const attempts = 5; // each goes on where the one before stopped

/** Fetches into blobs/ETAG.incomplete, and renames it when its checksum is right. */
async function fetchBlob(
  head: Head,
  blob: string,
  token: string | undefined,
  { endpoint }: Place,
  { repository, file, onProgress }: Required<Pick<HubOptions, 'onProgress'>> & { repository: string; file: string },
): Promise<void> {
  fs.mkdirSync(dirname(blob), { recursive: true });
  const part = partOf(blob);
  const isOwn = new URL(head.location).host === new URL(endpoint).host;
  const fail = (got: string, cause?: unknown): never => {
    throw new DataError(`${repository}: expected ${file} of ${megabytes(head.size)}, got ${got}`, { cause });
  };
  for (let attempt = 1; ; attempt++) {
    const before = sizeOf(part);
    if (before === head.size && fs.existsSync(part)) break; // also an empty one
    try {
      await append(head, part, isOwn ? token : undefined, (done) => onProgress(file, done, head.size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
        fail('a full disk. Free some space and try again.', error);
      const stuck = sizeOf(part) === before; // progress earns another try
      if (stuck && attempt >= attempts)
        fail(`${megabytes(before)}, then ${reasonOf(error)}. Try again: it goes on from there.`, error);
      if (stuck) await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
    }
  }
  if (!(await hasChecksum(part, head))) {
    fs.rmSync(part);
    fail('bytes with another checksum than the hub names. Try again.');
  }
  fs.renameSync(part, blob);
}

const partOf = (blob: string): string => `${blob}.incomplete`;
const sizeOf = (path: string): number => fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0;

async function append(
  { location, size }: Head,
  part: string,
  token: string | undefined,
  onProgress: (done: number) => void,
): Promise<void> {
  const from = sizeOf(part);
  const file = fs.openSync(part, from > size ? 'w' : 'a');
  const idle = new AbortController(); // a connection may end without a word
  const watch = setTimeout(() => idle.abort(new Error(`no bytes for ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    let done = from > size ? 0 : from;
    const headers = {
      'accept-encoding': 'identity',
      ...authorization(token),
      ...(done > 0 && { range: `bytes=${done}-` }),
    };
    const response = await fetch(location, { headers, signal: idle.signal });
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
    if (done > 0 && response.status !== 206) {
      fs.ftruncateSync(file, 0); // it sends the whole file
      done = 0;
    }
    for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
      watch.refresh();
      if (done + bytes.length > size) throw new Error('more bytes than it has');
      for (let at = 0; at < bytes.length; ) at += fs.writeSync(file, bytes, at);
      done += bytes.length;
      onProgress(done);
    }
    if (done < size) throw new Error('the end of the connection');
  } finally {
    clearTimeout(watch);
    fs.closeSync(file);
  }
}

/** Large files are named by their SHA-256, others by the SHA-1 that git gives them. An etag of another kind says nothing. */
async function hasChecksum(path: string, { etag, size }: Head): Promise<boolean> {
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag)) return true;
  const hash = createHash(etag.length === 64 ? 'sha256' : 'sha1');
  if (etag.length === 40) hash.update(`blob ${size}\0`);
  for await (const bytes of fs.createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(bytes as Uint8Array);
  return hash.digest('hex') === etag;
}

/** Whether a link leads to a file, or a copy in its place is one, of that many bytes. */
const isWhole = (link: string, size: number): boolean => fs.existsSync(link) && sizeOf(link) === size;

const noRoom = ['ENOSPC', 'EROFS', 'EACCES', 'EDQUOT'];

/** A link, relative as huggingface_hub makes it; a copy where links are not to be had, as on many Windows machines. */
function linkTo(blob: string, link: string, what: string): void {
  const copy = `${link}.${process.pid}.tmp`;
  try {
    fs.mkdirSync(dirname(link), { recursive: true });
    fs.rmSync(link, { force: true }); // one that leads nowhere, or a part of a copy
    try {
      fs.symlinkSync(relative(dirname(link), blob), link);
    } catch (error) {
      if (noRoom.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      fs.copyFileSync(blob, copy);
      fs.renameSync(copy, link);
    }
  } catch (error) {
    fs.rmSync(copy, { force: true });
    throw new DataError(`${what}: expected a cache to write to, got ${reason(error)}. HF_HOME names another place.`, {
      cause: error,
    });
  }
}

/** 'ECONNREFUSED …' behind fetch's 'fetch failed'. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && error.cause !== undefined
    ? reasonOf(error.cause)
    : reason(error) || `${(error as { code?: string }).code}`;
