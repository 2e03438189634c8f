/** Devices that the op tables run on; one that the machine lacks is named with its reason. */
import { type Device, openDevice } from '../core/index.ts';

export interface DeviceUnderTest {
  name: string;
  device: Device;
  /** Computes in float64, so that finite differences resolve 1e-5. */
  precise: boolean;
}

/** Names in TITOK_TEST_DEVICES, or reference and cpu. */
export async function devicesUnderTest(): Promise<DeviceUnderTest[]> {
  const names = (process.env['TITOK_TEST_DEVICES'] ?? 'reference,cpu').split(',');
  const found: DeviceUnderTest[] = [];
  for (const name of names) found.push({ name, device: await openDevice(name), precise: name === 'reference' });
  return found;
}
