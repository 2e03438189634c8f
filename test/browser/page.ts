/** What the test page runs: the op table on one device, compared with `reference`. */
import { openDevice } from '../../core/index.ts';
import { rows } from '../op-rows.ts';
import { SIZES, sameGradients, sameValues } from '../parity.ts';

export interface PageReport {
  /** The device that ran. */
  device: string;
  threads: number;
  /** Ops that passed. */
  passed: string[];
  /** 'op: what differs' */
  failed: string[];
}

async function runTable(name: string): Promise<PageReport> {
  const device = await openDevice(name);
  const report: PageReport = { device: device.name, threads: device.threads, passed: [], failed: [] };
  for (const op of Object.keys(rows)) {
    try {
      for (const size of SIZES) await sameValues(op, device, size);
      await sameGradients(op, device, [3, 5, 7]);
      report.passed.push(op);
    } catch (error) {
      report.failed.push(`${op}: ${(error as Error).message}`);
    }
  }
  await device.close();
  return report;
}

Object.assign(globalThis, { runTable });
