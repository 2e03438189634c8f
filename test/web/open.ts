/** The built page in a headless Chromium, for the tests of this folder. */
import { after } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { missingChromium, type PageOptions, startChromium, withPage } from '../../tools/browser/chromium.ts';
import { builtSite } from './built-site.ts';

/** Options for tests that need the page: they skip where Chromium is missing. */
export const options = missingChromium ? { skip: missingChromium } : {};
if (missingChromium) console.log(`# SKIP web: ${missingChromium}`);

let browser: Promise<Browser> | undefined; // for the pages of a file; one that says whether there is a GPU has its own
after(async () => (await browser)?.close());

/** Opens the page on one thread, as on a static host, and waits until the model is there. Errors on the page are thrown. */
export async function openPage(use: (page: Page) => Promise<void>, how: Partial<PageOptions> = {}): Promise<void> {
  const site = await builtSite();
  if (how.gpu === undefined) browser ??= startChromium(true);
  const shared = how.gpu === undefined && { browser: await browser! };
  await withPage(
    async (path) => site.get(path),
    { isolated: false, ...shared, ...how },
    async (page) => {
      const errors: Error[] = [];
      page.on('pageerror', (error) => errors.push(error));
      await ready(page);
      await use(page);
      if (errors.length > 0) throw errors[0];
    },
  );
}

/** Waits until the engine has the model. */
export const ready = (page: Page): Promise<unknown> => page.locator('#status', { hasText: /^Ready/ }).waitFor();
