/** The script of the page that tries a device of the browser. */
import { fetched } from '../golden/page.ts';
import { type Effort, type Finding, find, type Part } from './report.ts';

export const api = {
  findPart: (part: Part, device: string, golden: readonly string[], effort: Effort): Promise<Finding> =>
    find(part, device, golden.map(fetched), effort),
};
Object.assign(globalThis, api);
