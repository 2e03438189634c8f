/** Files that come with the library. */
import { fileURLToPath } from 'node:url';

/** The MobileNetV2 trunk of the perceptual loss and the Fréchet distance. Origin and license: NOTICE and its metadata. */
export const mobilenetTrunkPath = fileURLToPath(new URL('./assets/mobilenetv2-trunk-f16.safetensors', import.meta.url));
