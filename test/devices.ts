/** Opens the devices that the op tables run on. For a device that the machine lacks, adds a skipped test with the reason. */
import test from 'node:test';
import { type Device, DeviceError, openDevice } from '../core/index.ts';

export interface DeviceUnderTest {
  name: string;
  device: Device;
}

/** The devices named in TITOK_TEST_DEVICES, by default all of Node. Without a GPU, webgpu runs on a driver in software. */
export async function devicesUnderTest(): Promise<DeviceUnderTest[]> {
  const names = (process.env['TITOK_TEST_DEVICES'] ?? 'reference,cpu,webasm,webgpu').split(',');
  const found: DeviceUnderTest[] = [];
  for (const name of names) {
    const device = await openOrSkip(name);
    if (device) found.push({ name, device });
  }
  return found;
}

/** Opens a device, or adds a skipped test in its place. @throws DeviceError when the name is unknown */
export async function openOrSkip(name: string): Promise<Device | undefined> {
  try {
    return await openDevice(name);
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof DeviceError) || message.startsWith('openDevice')) throw error;
    console.log(`# SKIP ${message}`);
    test(`${name} is absent`, { skip: message }, () => {});
    return undefined;
  }
}
