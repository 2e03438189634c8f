/** What the test page runs: the tables of ops and gradients on one device, and what can go wrong in a browser. */

import type { GpuJsDevice } from '../../core/gpu/device.ts';
import { exp, openDevice, tensor } from '../../core/index.ts';
import { opTable } from '../../core/op.ts';
import { stress } from '../gpu/stress.ts';
import { checkGradient } from '../gradients.ts';
import { rows } from '../op-rows.ts';
import { checkOp, checkSpecialValues, keepsSpecialValues, type OpReport } from '../parity.ts';
import { trainOn } from '../training.ts';

export interface PageReport {
  /** The device that ran. */
  device: string;
  threads: number;
  ops: Record<string, OpReport>;
}

/** Every op and its gradient against `reference`. */
async function runTable(name: string): Promise<PageReport> {
  const device = await openDevice(name);
  const report: PageReport = { device: device.name, threads: device.threads, ops: {} };
  for (const op of Object.keys(rows)) report.ops[op] = await checkOp(op, device);
  await device.close();
  return report;
}

/** Every op: 'ok', or how its gradient differs from finite differences at random shapes. */
async function runGradients(name: string, runs: number): Promise<Record<string, string>> {
  const device = await openDevice(name);
  const outcomes: Record<string, string> = {};
  for (const [op, row] of Object.entries(rows)) outcomes[op] = await outcome(checkGradient(row, device, runs));
  await device.close();
  return outcomes;
}

/** Every elementwise op: 'ok', or where NaN and infinity come out otherwise than on `reference`. */
async function runSpecialValues(name: string): Promise<Record<string, string>> {
  const device = await openDevice(name);
  if (!keepsSpecialValues(device)) throw new Error(`${name}: makes no promise about NaN and infinity`);
  const outcomes: Record<string, string> = {};
  for (const [op, { formula }] of opTable) {
    if (formula) outcomes[op] = await outcome(checkSpecialValues(op, device));
  }
  await device.close();
  return outcomes;
}

const outcome = (check: Promise<void>): Promise<string> =>
  check.then(
    () => 'ok',
    (error: Error) => error.message,
  );

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

export const api = { runTable, runGradients, runSpecialValues, runStress, loseContexts, trainOn };
Object.assign(globalThis, api);
