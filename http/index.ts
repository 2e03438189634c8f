/**
 * A small HTTP server for pages of this project: for tests and tools, and for `titok watch`.
 *
 * @module
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';

/** The file at a path such as '/index.html', or undefined where there is none. */
export type Files = (path: string) => Promise<string | Uint8Array | undefined>;

export interface ServeOptions {
  /** Sends the headers (COOP, COEP) without which a page has no shared memory and so no threads. */
  readonly isolated: boolean;
  /** 0, the default: any that is free. */
  readonly port?: number;
  /** The folder of the host that the files are in, as '/titok/'; '/' by default. Elsewhere nothing is found. */
  readonly base?: string;
}

export interface Serving {
  readonly url: string;
  close(): void;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8',
  '.safetensors': 'application/octet-stream',
};

/** The Content-Type of a file, by its name. */
export const contentType = (path: string): string => types[extname(path)] ?? 'application/octet-stream';

/** The headers without which a page has no shared memory and so no threads. */
export const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
} as const;

/** The path of the file that a request is for: '/a%20b/?q' → '/a b/index.html'. @throws URIError when it is not UTF-8 */
export function filePath(url: string): string {
  const { pathname } = new URL(url.startsWith('/') ? `http://localhost${url}` : url, 'http://localhost'); // '//a/' names no host
  return decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname);
}

/** What a request may call this machine. A page elsewhere can have its own name lead here, and would then read the answers. */
const isOwnHost = (host: string): boolean => /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i.test(host);

/** Serves files on this machine only, and under its own names. @throws Error when the port is taken */
export async function serve(files: Files, { isolated, port = 0, base = '/' }: ServeOptions): Promise<Serving> {
  const headers = isolated ? isolation : {};
  const server = createServer(async ({ method = 'GET', url = '/', headers: { host = 'localhost' } }, response) => {
    const answer = (status: number, type: string, body: string | Uint8Array) =>
      response.writeHead(status, { ...headers, 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);
    try {
      if (!isOwnHost(host)) return answer(403, 'text/plain', `expected the host localhost or 127.0.0.1, got ${host}`);
      if (method !== 'GET' && method !== 'HEAD') {
        response.setHeader('Allow', 'GET, HEAD');
        return answer(405, 'text/plain', `expected GET or HEAD, got ${method}`);
      }
      const path = filePath(url);
      const body = path.startsWith(base) && !path.includes('\0') ? await files(path.slice(base.length - 1)) : undefined;
      if (body === undefined) answer(404, contentType('answer.txt'), `${path}: not found`);
      else answer(200, contentType(path), body);
    } catch (error) {
      const isMalformed = error instanceof URIError || (error as { code?: string }).code === 'ERR_INVALID_URL';
      if (isMalformed) answer(400, 'text/plain', 'expected a path in UTF-8');
      else answer(500, 'text/plain', 'the file could not be read');
    }
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
