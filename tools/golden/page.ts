/** The script of the page that compares golden files: fetches them from its own server. */
import { openDevice } from '../../core/index.ts';
import type { GoldenSource } from './file.ts';
import { type GoldenReport, runGolden } from './index.ts';

/** @throws DeviceError when the browser does not have the device */
async function runFile(name: string, device: string): Promise<GoldenReport> {
  return runGolden(fetched(name), await openDevice(device));
}

/** A golden file of the page's own server. */
export const fetched = (name: string): GoldenSource => {
  const get = async (path: string): Promise<Uint8Array | undefined> => {
    const answer = await fetch(path);
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(await answer.text());
    return new Uint8Array(await answer.arrayBuffer());
  };
  return {
    name,
    bytes: async () => (await get(`/golden/${name}`))!,
    beside: (other) => get(`/beside/${name}/${other}`),
  };
};

export const api = { runFile };
Object.assign(globalThis, api);
