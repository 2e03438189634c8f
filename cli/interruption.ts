/** Requests to end: Ctrl-C and other signals, or an output that nobody reads any more (`titok … | head -1`). */
import { constants } from 'node:os';

/** Raised by a training that was asked to end, after it has saved. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

interface Request {
  /** Exit status: 128 and the number of the signal, as shells report it; a closed pipe counts as SIGPIPE, 13. */
  readonly status: number;
  /** For the user, when it is not the user's own doing. */
  readonly message?: string;
}

let request: Request | undefined; // signals and outputs belong to the process, so there is one for all

/** What asked the command to end; undefined while it should go on. */
export const stopRequest = (): Request | undefined => request;

/** Before a command: what asked an earlier one to end does not count. */
export function forgetStopRequest(): void {
  request = undefined;
}

/** Codes of outputs whose reader went away: a pipe, a terminal. */
const readerIsGone = ['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'];

/** Turns errors of stdout and stderr, which would end the process at once, into a request. */
export function watchOutput(): void {
  for (const [name, stream] of [['stdout', process.stdout] as const, ['stderr', process.stderr] as const]) {
    stream.on('error', ({ code = '', message }: NodeJS.ErrnoException) => {
      const gone = readerIsGone.includes(code);
      request ??= gone ? { status: 128 + 13 } : { status: 1, message: `${name}: expected to write, got ${message}.` };
      process.exitCode ||= request.status; // the error of a last write comes when the command is over
    });
  }
}

/** SIGBREAK is Ctrl-Break on Windows, where closing the window sends SIGHUP. */
const signals = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  ...(process.platform === 'win32' ? (['SIGBREAK'] as const) : []),
] as const;
/** npm and tsx pass a Ctrl-C on, so it may arrive several times within a moment. */
const momentMs = 1000;

/** Signals as requests while something is at work that has to be saved. */
export class SignalWatch {
  /** From now on nothing ends the process before the work is saved. */
  saving = false;
  #at = Number.NEGATIVE_INFINITY;
  #warned = false;

  readonly #listeners = signals.map((signal) => [signal, () => this.#receive(signal)] as const);

  constructor() {
    for (const [signal, listener] of this.#listeners) process.on(signal, listener);
  }

  #receive(signal: NodeJS.Signals): void {
    const now = performance.now();
    const again = now - this.#at > momentMs;
    if (again) this.#at = now;
    if (!request) request = { status: 128 + constants.signals[signal] };
    else if (again && signal === 'SIGINT' && !this.saving) this.#insist();
  }

  /** A second Ctrl-C says what a third will do. */
  #insist(): void {
    if (this.#warned) process.exit(130);
    this.#warned = true;
    console.error('\nThe update is finished and saved first. Ctrl-C once more ends at once and loses it.');
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }
}
