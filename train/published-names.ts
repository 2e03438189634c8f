/** Names of published models: 'yucornetto/tokenizer_titok_s128_imagenet' is a repository on the Hugging Face hub. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CheckpointError, DataError } from '../core/index.ts';
import {
  cachedSnapshot,
  fetchFromHub,
  HubEntryError,
  type HubOptions,
  HubUnreachableError,
  shardsOf,
  weightFiles,
} from '../data/index.ts';
import type { PublishedOptions } from './published.ts';

/** Options of `loadModel` for published models. */
export interface LoadPublishedOptions extends PublishedOptions {
  /** Called while files are fetched. */
  readonly onProgress?: HubOptions['onProgress'];
}

interface HubName {
  /** 'yucornetto/tokenizer_titok_s128_imagenet' */
  readonly repository: string;
  /** One of its files; undefined: the one with its weights. */
  readonly file?: string | undefined;
  /** A branch, tag or commit. */
  readonly revision?: string | undefined;
}

/**
 * Reads OWNER/NAME, OWNER/NAME/FILE, and either with @REVISION; undefined for paths: what exists, what begins with a dot or a
 * slash, and what lies in a folder that exists.
 */
export function parseHubName(text: string): HubName | undefined {
  const [, owner, name, file, revision] =
    /^([A-Za-z0-9][\w.-]*)\/([A-Za-z0-9][\w.-]*?)(?:\/(\w[\w.-]*))?(?:@(\w[\w/-]*(?:\.[\w/-]+)*))?$/.exec(text) ?? [];
  if (owner === undefined || existsSync(text) || existsSync(owner)) return undefined;
  if (file === undefined && /\.(safetensors|bin|pth?|json|ya?ml)$/.test(name)) return undefined;
  return { repository: `${owner}/${name}`, file, revision };
}

/**
 * Where the weights of a model are, once they are here: a path as it is, or that of the file that was fetched.
 * @throws DataError when the hub does not have them or cannot be reached
 */
export async function localPath(from: string, { onProgress }: LoadPublishedOptions = {}): Promise<string> {
  const name = parseHubName(from);
  if (!name) return from;
  const { repository, file, revision } = name;
  const fetch = (wanted: string) =>
    fetchFromHub(repository, wanted, {
      ...(revision !== undefined && { revision }),
      ...(onProgress && { onProgress }),
    });
  if (file !== undefined) return fetch(file);
  const cached = cachedSnapshot(repository, revision);
  const hasWeights = cached !== undefined && weightFiles.some((name) => existsSync(join(cached, name)));
  await absent(fetch('config.json'), hasWeights); // beside the weights, where its sizes are looked for
  for (const wanted of weightFiles) {
    const path = await absent(fetch(wanted), hasWeights);
    if (path === undefined) continue;
    if (wanted.endsWith('.index.json')) for (const shard of new Set(shardsOf(path).values())) await fetch(shard);
    return dirname(path);
  }
  throw new DataError(
    `${repository}: expected a repository with ${weightFiles.join(' or ')}, got one without. Name a file of it: ${repository}/FILE.`,
  );
}

/** The file; undefined where the repository has none of that name, or, of a model in the cache, none that was fetched. */
async function absent(file: Promise<string>, isCached: boolean): Promise<string | undefined> {
  try {
    return await file;
  } catch (error) {
    if (error instanceof HubEntryError || (isCached && error instanceof HubUnreachableError)) return undefined;
    throw error;
  }
}

/** `localPath` of what has been fetched before. @throws CheckpointError when the cache does not have it any more */
export function fetchedPath(from: string): string {
  const name = parseHubName(from);
  if (!name) return from;
  const folder = cachedSnapshot(name.repository, name.revision);
  const path = folder && join(folder, name.file ?? '');
  if (path && existsSync(path)) return path;
  throw new CheckpointError(
    `${from}: expected a file, a folder, or a model that was fetched from the hub, got none. If it is on the hub, fetch it: titok info ${from}`,
  );
}

/** The options with names fetched. */
export async function localOptions(from: string, options: LoadPublishedOptions = {}): Promise<PublishedOptions> {
  const { config, preset, tokenizer = tokenizerOf(from) } = options;
  return { config, preset, tokenizer: tokenizer && (await localPath(tokenizer, options)) };
}

/** The tokenizer of a generator on the hub, which has its name. A commit is the generator's own; a branch or tag may be of both. */
export const tokenizerOf = (from: string): string | undefined =>
  parseHubName(from) && from.includes('generator')
    ? from.replace('generator', 'tokenizer').replace(/@[0-9a-f]{40}$/, '')
    : undefined;
