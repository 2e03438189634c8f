/** Parts of the messages of file errors. */

/** The first line of an error's message, such as 'ENOENT: no such file or directory'. */
export function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0].trim().replace(/\.$/, '');
}

/** 632400 → '0.6 MB' */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
