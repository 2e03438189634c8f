/** Devices that the op tables run on; one that the machine lacks is a skipped test that names its reason. */
import test from 'node:test';
import { type Device, DeviceError, openDevice } from '../core/index.ts';

export interface DeviceUnderTest {
  name: string;
  device: Device;
}

/** Names in TITOK_TEST_DEVICES, or all that Node can have; webgpu runs on a driver in software where there is no GPU. */
export async function devicesUnderTest(): Promise<DeviceUnderTest[]> {
  const names = (process.env['TITOK_TEST_DEVICES'] ?? 'reference,cpu,webasm,webgpu').split(',');
  const found: DeviceUnderTest[] = [];
  for (const name of names) {
    const device = await openOrSkip(name);
    if (device) found.push({ name, device });
  }
  return found;
}

/** The device, or a skipped test in its place. An unknown name is an error. */
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
