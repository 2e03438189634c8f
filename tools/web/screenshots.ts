/** `npm run web:screenshots`: pictures of every exhibit of the page, on a desktop and a phone, light and dark. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { missingChromium, withPage } from '../browser/chromium.ts';
import { runTool } from '../command.ts';
import { buildSite } from './site.ts';

const sizes = { desktop: { width: 1100, height: 900 }, phone: { width: 390, height: 844 } };

async function draw(exhibits: readonly string[], { out }: { out: string }): Promise<void> {
  if (missingChromium) throw new Error(missingChromium);
  mkdirSync(out, { recursive: true });
  const site = await buildSite();
  for (const [device, size] of Object.entries(sizes))
    for (const colorScheme of ['light', 'dark'] as const)
      await withPage(
        async (path) => site.get(path),
        { isolated: false },
        async (page) => {
          await page.emulateMedia({ colorScheme });
          await page.setViewportSize(size);
          await page.reload();
          await page.locator('#status', { hasText: /^Ready/ }).waitFor();
          await page.addStyleTag({ content: '#bar { position: static !important; }' }); // it would cover a part
          const all = await page.locator('section[id]').evaluateAll((sections) => sections.map(({ id }) => id));
          for (const exhibit of exhibits.length > 0 ? exhibits : all) {
            const section = page.locator(`#${exhibit}`);
            await section.scrollIntoViewIfNeeded();
            await page.waitForTimeout(settled);
            const path = join(out, `${exhibit}-${device}-${colorScheme}.png`);
            await section.screenshot({ path });
            console.log(path);
          }
        },
      );
}

/** ms until what plays on its own has played. */
const settled = 4000;

await runTool(
  new Command('npm run web:screenshots --')
    .description('Writes a PNG of every exhibit of the page: desktop and phone, light and dark.')
    .argument('[exhibit...]', 'ids of sections, as touch; all when none is named')
    .option('--out <folder>', 'where the pictures go', 'screenshots')
    .action(draw),
);
