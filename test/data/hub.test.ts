/** Files from a hub, against a server with the hub's answers: redirects, checksums, ranges, refusals, the cache. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs, {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fetchFromHub, type HubOptions } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';
const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251));
const small = Buffer.from('{"model": {}}');
const sha256 = createHash('sha256').update(large).digest('hex');
const sha1 = createHash('sha1').update(`blob ${small.length}\0`).update(small).digest('hex');

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** A hub and the storage behind it, which has another address. */
async function hub(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
) {
  const seen: Seen[] = [];
  const listen = async (handle: (request: IncomingMessage, response: ServerResponse) => void) => {
    const server = createServer((request, response) => {
      const { method = '', url = '', headers } = request;
      seen.push({ method, url, authorization: headers.authorization, range: headers.range });
      if (!answer(request, response)) handle(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  };
  const storage = await listen((request, response) => send(request, response, large));
  const main = await listen((request, response) => {
    const url = request.url ?? '';
    const about = { 'x-repo-commit': commit };
    if (url === '/o/renamed/resolve/main/config.json') {
      response.writeHead(307, { location: '/o/name/resolve/main/config.json' }).end();
    } else if (/^\/o\/name\/resolve\/(main|0123\w+)\/model\.safetensors$/.test(url)) {
      const linked = { 'x-linked-etag': `"${sha256}"`, 'x-linked-size': large.length };
      response.writeHead(302, { ...about, ...linked, etag: '"other"', location: `${storage.address}/blob` }).end();
    } else if (url === '/o/name/resolve/main/config.json') {
      response.setHeader('x-repo-commit', commit);
      response.setHeader('etag', `W/"${sha1}"`);
      send(request, response, small);
    } else {
      response.writeHead(404, { 'x-error-code': url.startsWith('/o/name/') ? 'EntryNotFound' : 'RepoNotFound' }).end();
    }
  });
  const home = temporaryFolder(t);
  const environment: Record<string, string> = { HF_HOME: home, HF_ENDPOINT: `${main.address}/` };
  const fetch = (file: string, repository = 'o/name', more: HubOptions = {}) =>
    fetchFromHub(repository, file, { environment, ...more });
  const stop = () => {
    for (const { server } of [main, storage]) {
      server.closeAllConnections();
      server.close();
    }
  };
  return { fetch, seen, home, environment, folder: join(home, 'hub', 'models--o--name'), stop };
}

function send({ method, headers }: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from });
  response.end(method === 'HEAD' ? undefined : bytes.subarray(from));
}

test('a large file: fetched from the storage, kept as huggingface_hub keeps it, not fetched again', async (t) => {
  const { fetch, seen, folder, environment } = await hub(t);
  environment['HF_TOKEN'] = 'hf_secret';
  const progress: number[] = [];
  const path = await fetch('model.safetensors', 'o/name', {
    onProgress: (_, done, total) => progress.push(done / total),
  });
  assert.equal(path, join(folder, 'snapshots', commit, 'model.safetensors'));
  assert.deepEqual(readFileSync(path), large);
  assert.deepEqual(readdirSync(join(folder, 'blobs')), [sha256]);
  assert.equal(readFileSync(join(folder, 'refs', 'main'), 'utf8'), commit);
  if (process.platform !== 'win32') assert.equal(readlinkSync(path), join('..', '..', 'blobs', sha256));
  assert.equal(progress.at(-1), 1);
  assert.deepEqual(
    seen.map(({ method, url, authorization }) => [method, url, authorization]),
    [
      ['HEAD', '/o/name/resolve/main/model.safetensors', 'Bearer hf_secret'],
      ['GET', '/blob', undefined], // another host does not see the token
    ],
  );
  assert.equal(await fetch('model.safetensors'), path);
  assert.deepEqual(
    seen.slice(2).map(({ method }) => method),
    ['HEAD'],
  );
  assert.equal(await fetch('model.safetensors', 'o/name', { revision: commit }), path);
  assert.equal(seen.length, 3, 'a commit does not change: nothing is asked');
});

test('a small file, by git’s checksum; redirects on the hub itself are followed', async (t) => {
  const { fetch, home } = await hub(t);
  writeFileSync(join(home, 'token'), 'from-file\n');
  const path = await fetch('config.json', 'o/renamed');
  assert.deepEqual(readFileSync(path), small);
  assert.ok(lstatSync(join(home, 'hub', 'models--o--renamed', 'blobs', sha1)).isFile());
});

test('an empty file', async (t) => {
  const etag = createHash('sha1').update('blob 0\0').digest('hex');
  const { fetch } = await hub(t, ({ url }, response) => {
    if (!url?.endsWith('/empty.txt')) return false;
    response.writeHead(200, { 'x-repo-commit': commit, etag: `"${etag}"`, 'content-length': 0 }).end();
    return true;
  });
  assert.equal(readFileSync(await fetch('empty.txt'), 'utf8'), '');
});

test('a connection that ends early: it goes on where it stopped, with a range', async (t) => {
  let breaks = 2;
  const { fetch, seen } = await hub(t, ({ method, url, headers }, response) => {
    if (method !== 'GET' || url !== '/blob' || breaks-- <= 0) return false;
    const from = Number(/\d+/.exec(headers.range ?? '')?.[0] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': large.length - from });
    response.write(large.subarray(from, from + 100_000), () => response.destroy());
    return true;
  });
  assert.deepEqual(readFileSync(await fetch('model.safetensors')), large);
  const ranges = seen.filter(({ method }) => method === 'GET').map(({ range }) => range);
  assert.equal(ranges.length, 3);
  assert.ok(
    ranges.slice(1).every((range) => /^bytes=\d+-$/.test(range ?? '')),
    `${ranges}`,
  );
});

test('what another program left behind is gone on from; a server without ranges starts again', async (t) => {
  for (const ranges of [true, false]) {
    const { fetch, folder, seen } = await hub(t, ({ url }, response) => {
      if (url !== '/blob' || ranges) return false;
      response.writeHead(200, { 'content-length': large.length }).end(large);
      return true;
    });
    const part = join(folder, 'blobs', `${sha256}.incomplete`);
    mkdirSync(dirname(part), { recursive: true });
    writeFileSync(part, large.subarray(0, 1234));
    assert.deepEqual(readFileSync(await fetch('model.safetensors')), large);
    assert.equal(seen.at(-1)?.range, 'bytes=1234-');
    assert.ok(!existsSync(part));
  }
});

test('bytes with another checksum are not kept', async (t) => {
  let damage = true;
  const { fetch, folder } = await hub(t, ({ url }, response) => {
    if (url !== '/blob' || !damage) return false;
    response.writeHead(200, { 'content-length': large.length }).end(Buffer.from(large).fill(1, 0, 9));
    return true;
  });
  await assert.rejects(fetch('model.safetensors'), {
    name: 'DataError',
    message: /^o\/name: .* another checksum than the hub names\. Try again\.$/,
  });
  assert.deepEqual(readdirSync(join(folder, 'blobs')), []);
  damage = false;
  assert.deepEqual(readFileSync(await fetch('model.safetensors')), large);
});

test('of two processes and two calls that want a file at once, one fetches it and the others wait', async (t) => {
  const { fetch, environment, folder, seen } = await hub(t, ({ url, method }, response) => {
    if (url !== '/blob' || method !== 'GET') return false;
    response.writeHead(200, { 'content-length': large.length });
    response.write(large.subarray(0, 1000));
    setTimeout(() => response.end(large.subarray(1000)), 1500);
    return true;
  });
  const own = fetch('model.safetensors');
  const code = `import { fetchFromHub } from ${JSON.stringify(new URL('../../data/index.ts', import.meta.url).href)};
    console.log(await fetchFromHub('o/name', 'model.safetensors', { environment: ${JSON.stringify(environment)} }));`;
  const paths = [0, 1].map(async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code]);
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    return String(text).trim();
  });
  const progress: number[] = [];
  const onProgress = (_: string, done: number) => progress.push(done);
  const found = await Promise.all([own, fetch('model.safetensors', 'o/name', { onProgress }), ...paths]);
  assert.deepEqual(found, new Array(4).fill(join(folder, 'snapshots', commit, 'model.safetensors')));
  assert.deepEqual(readFileSync(found[0]), large);
  assert.equal(seen.filter(({ method }) => method === 'GET').length, 1);
  assert.ok(progress.includes(1000), 'who waits sees how far the other is');
  assert.deepEqual(readdirSync(join(folder, 'blobs')), [sha256]);
  assert.deepEqual(readdirSync(join(folder, '..', '.locks', 'models--o--name')), []);
});

test('without a network, or with HF_HUB_OFFLINE, the cache is used', async (t) => {
  const { fetch, environment, stop, seen } = await hub(t);
  const path = await fetch('config.json');
  const asked = seen.length;
  assert.equal(await fetch('config.json', 'o/name', { environment: { ...environment, HF_HUB_OFFLINE: '1' } }), path);
  await assert.rejects(fetch('model.safetensors', 'o/name', { environment: { ...environment, HF_HUB_OFFLINE: '1' } }), {
    name: 'DataError',
    message: /no copy in the cache, and HF_HUB_OFFLINE is set/,
  });
  assert.equal(seen.length, asked);
  stop();
  assert.equal(await fetch('config.json'), path);
  await assert.rejects(fetch('model.safetensors'), {
    name: 'DataError',
    message: /got connect ECONNREFUSED .*Is there a connection\?/,
  });
});

const refusals: [status: number, code: string, message: RegExp][] = [
  [
    404,
    'RepoNotFound',
    /expected a file, a folder or a repository on the hub, got none of that name\. Set HF_TOKEN if it is private/,
  ],
  [401, '', /got none of that name\. Set HF_TOKEN/],
  [403, 'GatedRepo', /whose owner asks for consent\. Agree on its page/],
  [403, '', /got HTTP 403/],
  [404, 'EntryNotFound', /expected a file model\.safetensors, got a repository without it/],
  [404, 'RevisionNotFound', /expected a revision 'main', got a repository without it/],
  [429, '', /too many requests\. Wait/],
  [503, '', /got HTTP 503/],
];
for (const [status, code, message] of refusals) {
  test(`HTTP ${status} ${code} in words`, async (t) => {
    const { fetch } = await hub(t, (_, response) => {
      response.writeHead(status, code ? { 'x-error-code': code } : {}).end();
      return true;
    });
    await assert.rejects(fetch('model.safetensors'), { name: 'DataError', message });
  });
}

test('an answer that is not that of a hub', async (t) => {
  const { fetch } = await hub(t, (_, response) => {
    response.writeHead(200, { etag: '"../../x"', 'x-repo-commit': commit, 'content-length': 5 }).end();
    return true;
  });
  await assert.rejects(fetch('model.safetensors'), {
    name: 'DataError',
    message: /an answer that is not that of a hub/,
  });
});

test('where links are not to be had, a copy takes their place, whole or not at all', async (t) => {
  const { fetch } = await hub(t);
  const refused = () => {
    throw Object.assign(new Error('operation not supported'), { code: 'ENOTSUP' });
  };
  t.mock.method(fs, 'symlinkSync', refused);
  const copy = t.mock.method(fs, 'copyFileSync', (_: string, to: string) => {
    writeFileSync(to, large.subarray(0, 1000));
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  });
  await assert.rejects(fetch('model.safetensors'), { name: 'DataError', message: /expected a cache to write to/ });
  copy.mock.restore();
  const path = await fetch('model.safetensors');
  assert.ok(!lstatSync(path).isSymbolicLink());
  assert.deepEqual(readFileSync(path), large);
  writeFileSync(path, large.subarray(0, 1000)); // as an earlier version may have left it
  assert.deepEqual(readFileSync(await fetch('model.safetensors')), large);
});

test('a token that is no longer valid: public files come without it, others name it; too many requests use the cache', async (t) => {
  let isPublic = true;
  let status = 401;
  const { fetch, environment } = await hub(t, ({ headers, url }, response) => {
    if (url === '/blob' || (status === 401 && isPublic && !headers.authorization)) return false;
    response.writeHead(status, { 'x-error-message': 'Invalid credentials in Authorization header' }).end();
    return true;
  });
  environment['HF_TOKEN'] = 'hf_old';
  const path = await fetch('model.safetensors');
  assert.deepEqual(readFileSync(path), large);
  isPublic = false;
  assert.equal(await fetch('model.safetensors'), path);
  await assert.rejects(
    fetch('config.json'),
    /expected a valid token in HF_TOKEN, .* got HTTP 401: Invalid credentials/,
  );
  status = 429;
  assert.equal(await fetch('model.safetensors'), path);
});

test('a cache that cannot be written to is used', {
  skip: process.getuid?.() === 0 && 'root may write anywhere',
}, async (t) => {
  const { fetch, folder } = await hub(t);
  const path = await fetch('model.safetensors');
  chmodSync(join(folder, 'refs'), 0o555);
  assert.equal(await fetch('model.safetensors'), path);
  chmodSync(join(folder, 'refs'), 0o755);
});
