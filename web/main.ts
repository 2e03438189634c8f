/** The page: a form that starts a training in a worker, and what the worker reports. */
import { lossCurve } from './curve.ts';
import { readPictures } from './files.ts';
import type { ModelName, Report, Request, Start } from './messages.ts';
import { showPictures } from './pictures.ts';

const element = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;
const form = element<HTMLFormElement>('form');
const fields = form.elements as unknown as Record<'model' | 'device', HTMLSelectElement> &
  Record<'steps' | 'files', HTMLInputElement>;
const startButton = element<HTMLButtonElement>('start');
const stopButton = element<HTMLButtonElement>('stop');
const curve = lossCurve(element('curve'));

let worker: Worker | undefined;

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  running(true);
  fail();
  status('Preparing the pictures …');
  try {
    const pictures = await readPictures(fields.files.files ?? []);
    begin({
      kind: 'start',
      model: fields.model.value as ModelName,
      device: fields.device.value,
      steps: fields.steps.valueAsNumber,
      seed: 1,
      pictures,
    });
  } catch (error) {
    end((error as Error).message);
  }
});
stopButton.addEventListener('click', () => {
  stopButton.disabled = true;
  status('Stopping …');
  tell({ kind: 'stop' });
});

/** One worker for one training: when it ends, all memory of its device goes with it. */
function begin(start: Start): void {
  curve.clear();
  worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Report>) => show(data, start);
  worker.onerror = (event) => end(`The worker stopped: ${event.message || 'it could not be loaded'}.`);
  status(`Opening ${start.device} …`);
  tell(start);
}
const tell = (request: Request): void => worker?.postMessage(request);

let clock = { done: 0, at: 0 }; // the last time that the rate was taken
function show(report: Report, { steps }: Start): void {
  switch (report.kind) {
    case 'ready': {
      const threads =
        report.device === 'cpu' ? `, ${report.threads} ${report.threads === 1 ? 'thread' : 'threads'}` : '';
      const pictures = `${report.pictures.toLocaleString('en')} pictures`;
      status(
        `Training ${report.parameters.toLocaleString('en')} parameters on ${report.device}${threads}, from ${pictures}.`,
      );
      clock = { done: 0, at: performance.now() };
      break;
    }
    case 'step': {
      curve.add(report);
      put('done', `${report.done} / ${steps}`);
      put('loss', report.loss.toPrecision(3));
      const seconds = (performance.now() - clock.at) / 1000;
      if (seconds > 1) {
        put('rate', ((report.done - clock.done) / seconds).toPrecision(2));
        clock = { done: report.done, at: performance.now() };
      }
      break;
    }
    case 'pictures':
      put('psnr', report.psnr.toFixed(1));
      showPictures(element('pictures'), report);
      break;
    case 'finished':
      status(`Finished after ${report.done} steps.`);
      end();
      break;
    case 'failed':
      end(report.message);
  }
}

/** Ends the training, with an error if there was one. */
function end(error?: string): void {
  worker?.terminate();
  worker = undefined;
  running(false);
  if (error === undefined) return;
  fail(error);
  status('Stopped by an error.');
}

function running(now: boolean): void {
  startButton.disabled = now;
  stopButton.disabled = !now;
  for (const field of Object.values(fields)) if (field instanceof HTMLElement) field.toggleAttribute('data-busy', now);
}
function fail(message?: string): void {
  const box = element('error');
  box.hidden = message === undefined;
  box.textContent = message ?? '';
}
const status = (text: string): void => put('status', text);
function put(id: string, text: string): void {
  element(id).textContent = text;
}

// pictures of the user's own: chosen, or dropped anywhere on the page
fields.files.addEventListener('change', () => {
  const count = fields.files.files?.length ?? 0;
  put('source', count === 0 ? 'shapes, or your own' : `${count} of your own`);
});
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  if (!event.dataTransfer?.files.length) return;
  fields.files.files = event.dataTransfer.files;
  fields.files.dispatchEvent(new Event('change'));
});
