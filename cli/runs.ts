/** Where runs are. */
import { join } from 'node:path';

export const runFolder = (name: string): string => join('runs', name);
