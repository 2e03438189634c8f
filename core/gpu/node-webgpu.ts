/** WebGPU in Node, from Dawn: the optional package `webgpu`. */

/** SwiftShader: a Vulkan driver in software, for machines without a GPU. It comes with Debian's Chromium. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Defines `navigator.gpu` in Node, unless it exists or the package is not installed. */
export async function provideWebGpu(): Promise<void> {
  if (globalThis.navigator && 'gpu' in globalThis.navigator) return;
  const fs = globalThis.process?.getBuiltinModule?.('node:fs');
  if (!fs) return;
  const { existsSync } = fs;
  const configured = process.env['VK_ICD_FILENAMES'] ?? process.env['VK_DRIVER_FILES'];
  const hasGpu = ['/dev/dri', '/dev/nvidia0', '/dev/dxg'].some(existsSync);
  const software = !configured && !hasGpu && existsSync(SWIFTSHADER);
  if (software) process.env['VK_ICD_FILENAMES'] = SWIFTSHADER;
  try {
    const dawn = (await import(/* webpackIgnore: true */ 'webgpu')) as {
      create(flags: string[]): unknown;
      globals: object;
    };
    Object.assign(globalThis, dawn.globals);
    if (!globalThis.navigator) Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
    Object.defineProperty(globalThis.navigator, 'gpu', {
      value: dawn.create(software ? ['backend=vulkan'] : []),
      configurable: true,
    });
  } catch {
    // not installed, or not for this platform: gpu.js then finds no adapter
  }
}
