/** Registers the gpu.js devices, and `auto`. gpu.js is large, so it is loaded when one of them is opened. */
import { openDevice, registerDevice } from '../devices.ts';

for (const name of ['webgpu', 'webgl2', 'webgl', 'headlessgl', 'webasm', 'gpujs-cpu']) {
  registerDevice(name, async () => (await import('./device.ts')).openGpuJs(name));
}

/** The fastest device of the machine; which one, and why, goes to the console. */
registerDevice('auto', async (options) => {
  const { pickDevice } = await import('./auto.ts');
  const { device, why } = await pickDevice((name) => openDevice(name, options));
  console.error(why);
  return device;
});
