/** Files that come with the library. */
import { fileURLToPath } from 'node:url';

/**
 * Path of the MobileNetV2 trunk (safetensors, F16) that the perceptual loss and the Fréchet distance use. Origin and
 * license: NOTICE and the file's metadata.
 */
export const mobilenetTrunkPath = fileURLToPath(new URL('./assets/mobilenetv2-trunk-f16.safetensors', import.meta.url));
