/** What the test page runs: the op table on one device, compared with `reference`, and what can go wrong in a browser. */

import type { GpuJsDevice } from '../../core/gpu/device.ts';
import { exp, openDevice, tensor } from '../../core/index.ts';
import { stress } from '../gpu/stress.ts';
import { rows } from '../op-rows.ts';
import { checkOp, type OpReport } from '../parity.ts';
import { trainOn } from '../training.ts';

export interface PageReport {
  /** The device that ran. */
  device: string;
  threads: number;
  ops: Record<string, OpReport>;
}

async function runTable(name: string): Promise<PageReport> {
  const device = await openDevice(name);
  const report: PageReport = { device: device.name, threads: device.threads, ops: {} };
  for (const op of Object.keys(rows)) report.ops[op] = await checkOp(op, device);
  await device.close();
  return report;
}

async function runStress(name: string, ops: number): Promise<void> {
  await stress((await openDevice(name)) as GpuJsDevice, ops);
}

/** Loses every WebGL context and reads: the error's message; then the same on a device opened anew: the value. */
async function loseContexts(name: string): Promise<{ message: string; after: number }> {
  const contexts: WebGLRenderingContext[] = [];
  for (const Canvas of [OffscreenCanvas, HTMLCanvasElement]) {
    const original = Canvas.prototype.getContext as (...args: unknown[]) => unknown;
    Object.assign(Canvas.prototype, {
      getContext(...args: unknown[]) {
        const context = original.apply(this, args);
        if (String(args[0]).includes('webgl')) contexts.push(context as WebGLRenderingContext);
        return context;
      },
    });
  }
  const expOfZero = async () => {
    const device = await openDevice(name);
    return { device, x: tensor([0], [1], { device }) };
  };
  const { x } = await expOfZero();
  await x.data();
  for (const context of contexts)
    if (!context.isContextLost()) context.getExtension('WEBGL_lose_context')?.loseContext();
  const message = await exp(x)
    .data()
    .then(
      () => 'no error',
      (error: Error) => `${error.name}: ${error.message}`,
    );
  return { message, after: await exp((await expOfZero()).x).item() };
}

export const api = { runTable, runStress, loseContexts, trainOn };
Object.assign(globalThis, api);
