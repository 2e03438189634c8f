/**
 * `tsx tools/devices/main.ts DEVICE`: tries one device and prints what it finds, a line of JSON for each part. A device that
 * ends its process takes only the parts with it that were not printed yet. `npm run bench -- devices` calls it for each.
 */

import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { bundle } from '../browser/bundle.ts';
import { callPage, missingChromium, scriptPage, withPage } from '../browser/chromium.ts';
import { runTool } from '../command.ts';
import { servingGolden } from '../golden/browser.ts';
import { goldenSource } from '../golden/folder.ts';
import type { api } from './page.ts';
import { type Finding, find, parts } from './report.ts';

const goldenFile = (name: string) => fileURLToPath(new URL(`../../test/golden/${name}.safetensors`, import.meta.url));
const show = (finding: Finding): boolean => {
  console.log(JSON.stringify(finding));
  return !('failed' in finding);
};

async function run(device: string, { browser = false, quick = false }): Promise<void> {
  const golden = (quick ? ['adamw'] : ['ops', 'train_stage1']).map((name) => goldenSource(goldenFile(name)));
  const names = golden.map(({ name }) => name);
  const tryAll = async (findPart: typeof find) => {
    for (const part of parts) if (!show(await findPart(part, device, golden, { quick })) && part === 'open') return;
  };
  if (!browser) await tryAll(find);
  else if (missingChromium) show({ part: 'open', failed: missingChromium });
  else {
    const script = await bundle(new URL('./page.ts', import.meta.url));
    await withPage(scriptPage(script, servingGolden(golden)), { isolated: true }, (page) =>
      tryAll((part, device, _, effort) =>
        callPage<typeof api, 'findPart'>(page, 'findPart', part, device, names, effort),
      ),
    );
  }
  process.exit(); // GPU devices keep the process alive
}

await runTool(
  new Command('devices')
    .argument('<device>', 'its name')
    .option('--browser', 'in headless Chromium')
    .option('--quick', 'shows that it works; its times mean nothing')
    .action(run),
);
