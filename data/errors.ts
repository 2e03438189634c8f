/** Parts of the messages of file errors. */
import type { FileKind } from './file-kind.ts';

/** The first line of an error's message, such as 'ENOENT: no such file or directory'. */
export function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0].trim().replace(/\.$/, '');
}

/** 632400 → '0.6 MB' */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Why a file cannot be decoded. The message ends a sentence: 'got an HTML page. Download it again.' */
export class Undecodable extends Error {
  /** What was found: 'an HTML page'. */
  readonly found: string;
  /** The file's kind, if its first bytes tell. */
  readonly kind: FileKind | undefined;

  constructor(found: string, advice = '', kind?: FileKind, options?: ErrorOptions) {
    super(`got ${found}.${advice && ` ${advice}`}`, options);
    this.found = found;
    this.kind = kind;
  }
}
