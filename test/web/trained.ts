/** Trainings as the page's worker does them, without a browser. */
import type { Frame, Point, Ready, Report, Start } from '../../web/training/messages.ts';
import { train } from '../../web/training/session.ts';

/** What a training has told. */
export interface Trained {
  readonly ready: Ready;
  readonly log: readonly Point[];
  readonly frame: Frame;
  readonly file: Uint8Array<ArrayBuffer>;
}

/** Trains as the page's worker does, and stops when `until` updates are done. */
export async function run(start: Pick<Start, 'plan'> & Partial<Start>, until = start.plan.steps): Promise<Trained> {
  const got: Partial<Record<Report['kind'], Report>> = {};
  const log: Point[] = [];
  const report = (message: Report) => {
    got[message.kind] = message;
    if (message.kind === 'step') log.push(message.point);
  };
  const next = async () => (log.at(-1)?.done ?? 0) < until;
  await train({ kind: 'start', device: 'cpu', pictures: [], tokenizer: '', ...start }, report, {
    next,
    className: undefined,
  });
  const { ready, frame, saved } = got as {
    ready: Ready;
    frame: Report & { kind: 'frame' };
    saved: Report & { kind: 'saved' };
  };
  return { ready, log, frame: frame.frame, file: saved.file };
}
