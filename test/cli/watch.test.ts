/** What `titok watch` refuses before it serves; test/package/consumer.test.ts has the rest. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { serve } from '../../http/index.ts';
import { titok, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a request for no path is a bad one, and no file has a NUL in its name', async () => {
  const served = await serve(async () => 'a page', { isolated: false });
  const statuses = await Promise.all(['x', '%zz', '%00'].map(async (path) => (await fetch(served.url + path)).status));
  served.close();
  assert.deepEqual(statuses, [200, 400, 404]);
});

test('only GET and HEAD are answered, and a path that begins with two slashes names no host', async () => {
  const served = await serve(async (path) => (path === '/index.html' ? 'a page' : undefined), { isolated: false });
  const answers = await Promise.all(
    ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS'].map(async (method) => {
      const answer = await fetch(served.url, { method });
      return [answer.status, answer.headers.get('allow'), await answer.text()];
    }),
  );
  const twoSlashes = await fetch(`${served.url}/elsewhere/`);
  served.close();
  const refused = (method: string) => [405, 'GET, HEAD', `expected GET or HEAD, got ${method}`];
  assert.deepEqual(answers, [[200, null, 'a page'], [200, null, ''], ...['POST', 'DELETE', 'OPTIONS'].map(refused)]);
  assert.deepEqual([twoSlashes.status, await twoSlashes.text()], [404, '//elsewhere/index.html: not found']);
  assert.equal(twoSlashes.headers.get('content-type'), 'text/plain; charset=utf-8', 'shown and not downloaded');
});

test('another name for this machine is refused, behind which a page elsewhere could read the answers', async () => {
  const served = await serve(async () => 'a page', { isolated: false });
  const { port } = new URL(served.url);
  const statusFor = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      get({ host: '127.0.0.1', port, headers: { host } }, (answer) => resolve(answer.resume().statusCode)).on(
        'error',
        reject,
      );
    });
  const own = await Promise.all(['localhost', `LOCALHOST:${port}`, '127.0.0.1:1', '[::1]:80'].map(statusFor));
  const others = await Promise.all(
    ['evil.example', 'localhost.evil.example', `127.0.0.1.nip.io:${port}`].map(statusFor),
  );
  served.close();
  assert.deepEqual(
    [own, others],
    [
      [200, 200, 200, 200],
      [403, 403, 403],
    ],
  );
});

test('a run that is not there and a port that is none are named', async (t) => {
  const none = await titok(t, 'watch', 'mine');
  assert.equal(none.status, 1);
  assert.equal(none.err, "run: expected a folder in runs/, or the path of a run, got 'mine'.");

  mkdirSync(join(folder, 'runs/mine'), { recursive: true });
  writeFileSync(join(folder, 'runs/mine/log.jsonl'), '{"stage":"teacher","step":1,"seconds":1,"loss":2}\n');
  const near = await titok(t, 'watch', 'mien');
  assert.match(near.err, /got 'mien' \(did you mean 'mine'\?\)\. Runs here: mine\.$/);

  const port = await titok(t, 'watch', 'mine', '--port', '70000');
  assert.equal(port.status, 1);
  assert.equal(port.err, "--port: expected a whole number from 0 to 65535, got '70000'.");
});
