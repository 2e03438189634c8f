/** Runs golden files in headless Chromium, on a device of the browser. */

import type { Files } from '../../http/index.ts';
import { bundle } from '../browser/bundle.ts';
import { callPage, missingChromium, scriptPage, withPage } from '../browser/chromium.ts';
import type { GoldenSource } from './file.ts';
import type { GoldenReport } from './index.ts';
import type { api } from './page.ts';

/**
 * Runs files one after another in one page. The page is cross-origin isolated, so `cpu` has threads.
 *
 * @throws Error when Chromium is missing, or does not have the device
 */
export async function runGoldenInBrowser(
  files: readonly GoldenSource[],
  device: string,
  show: (report: GoldenReport) => void,
): Promise<void> {
  if (missingChromium) throw new Error(`golden --browser: ${missingChromium}`);
  const script = await bundle(new URL('./page.ts', import.meta.url));
  await withPage(scriptPage(script, servingGolden(files)), { isolated: true }, async (page) => {
    for (const { name } of files) show(await callPage<typeof api, 'runFile'>(page, 'runFile', name, device));
  });
}

/** Serves a file as /golden/NAME, and another file that its metadata names as /beside/NAME/OTHER. */
export const servingGolden =
  (files: readonly GoldenSource[]): Files =>
  async (path) => {
    const [, kind, name, other] = path.split('/');
    const file = files.find((f) => f.name === name);
    if (kind === 'golden') return file?.bytes();
    return kind === 'beside' && other ? file?.beside(other) : undefined;
  };
