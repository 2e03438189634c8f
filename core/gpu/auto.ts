/** `auto`: picks the device that multiplies matrices fastest on this machine. */
import { uniform } from '../create.ts';
import type { Device } from '../device.ts';
import { DeviceError } from '../errors.ts';
import { matmul } from '../ops/matmul.ts';
import { Rng } from '../random.ts';
import { tidy } from '../tensor.ts';

/** Devices to try. The other gpu.js modes are never faster than cpu. */
const CANDIDATES = ['cpu', 'webgpu', ...(typeof OffscreenCanvas === 'undefined' ? [] : ['webgl2'])];
const SMALL = 128;
const LARGE = 512;
/** A device this many times slower than the best at the small size is not measured at the large one. */
const HOPELESS = 20;

export interface Choice {
  readonly device: Device;
  /** 'auto: cpu. 512³ matmul in ms: cpu 6.1, webgpu 9.8. Absent: webgl2: …' */
  readonly why: string;
}

/** Opens the candidates, times products of square matrices, and picks the fastest. @throws DeviceError when none opens */
export async function pickDevice(open: (name: string) => Promise<Device>): Promise<Choice> {
  const there: { device: Device; ms: number }[] = [];
  const absent: string[] = [];
  for (const name of CANDIDATES) {
    try {
      const device = await open(name);
      there.push({ device, ms: await matmulMs(device, SMALL) });
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      absent.push(error.message);
    }
  }
  if (there.length === 0)
    throw new DeviceError(`auto: expected one of ${CANDIDATES.join(', ')}, got none. ${absent.join(' ')}`);
  there.sort((a, b) => a.ms - b.ms);
  const said = [`${SMALL}³ matmul in ms: ${list(there)}`];
  const fast = there.filter((c) => c.ms <= HOPELESS * there[0].ms);
  if (fast.length > 1) {
    for (const c of fast) c.ms = await matmulMs(c.device, LARGE);
    fast.sort((a, b) => a.ms - b.ms);
    said.push(`${LARGE}³: ${list(fast)}`);
  }
  const { device } = fast[0];
  return { device, why: `auto: ${device.name}. ${[...said, ...absent.map((a) => `Absent: ${a}`)].join('. ')}` };
}

const list = (found: readonly { device: Device; ms: number }[]): string =>
  found.map(({ device, ms }) => `${device.name} ${ms.toFixed(1)}`).join(', ');

/** Milliseconds for a chain of eight products of n × n matrices and one read: the better of two runs. */
async function matmulMs(device: Device, n: number): Promise<number> {
  const a = uniform([n, n], -1 / n, 1 / n, new Rng(1), { device });
  const once = async (): Promise<number> => {
    const started = performance.now();
    const y = tidy(() => Array.from({ length: 8 }).reduce<typeof a>((y) => matmul(y, a), a));
    await y.data();
    y.dispose();
    return performance.now() - started;
  };
  await once(); // compiles
  const ms = Math.min(await once(), await once());
  a.dispose();
  return ms;
}
