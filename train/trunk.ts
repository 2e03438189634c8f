/** The frozen network that features are taken with, from the package's own file. */
import { outsideScopes } from '../core/index.ts';
import { mobilenetTrunkPath, readSafetensors } from '../data/index.ts';
import { MobileNetTrunk } from '../titok/index.ts';

/** Reads the first eleven blocks of MobileNetV2. */
export const openTrunk = (): MobileNetTrunk =>
  outsideScopes(() => new MobileNetTrunk(readSafetensors(mobilenetTrunkPath)));
