/** A small HTTP server for pages of this project. */
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
};

/** Serves files on this machine only. @throws Error when the port is taken */
export async function serve(files: Files, { isolated, port = 0 }: ServeOptions): Promise<Serving> {
  const headers = isolated
    ? { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
    : {};
  const server = createServer(async ({ url = '/' }, response) => {
    const answer = (status: number, type: string, body: string | Uint8Array) =>
      response.writeHead(status, { ...headers, 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);
    try {
      const { pathname } = new URL(url, 'http://localhost');
      const path = decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname);
      const body = await files(path);
      if (body === undefined) answer(404, 'text/plain', `${path}: not found`);
      else answer(200, types[extname(path)] ?? 'application/octet-stream', body);
    } catch (error) {
      answer(500, 'text/plain', (error as Error).message);
    }
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
