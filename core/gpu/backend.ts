/** The differences between gpu.js modes: how each opens, its limits, and how it reports errors. */
import { DeviceError } from '../errors.ts';
import { type BuiltKernel, type GpuJs, type GpuJsModule, loadGpuJs, type Mode, type WebGpuContext } from './gpujs.ts';
import { provideWebGpu } from './node-webgpu.ts';
import type { FarIndices } from './source.ts';

/** The device has no room left. */
export class OutOfMemory extends Error {}

/** An open gpu.js mode. */
export interface Backend {
  readonly gpu: GpuJs;
  /** WebGPU needs the types of a kernel's arguments; the other modes infer them. */
  readonly declaresArguments: boolean;
  /** A GL kernel only takes textures of the rank that it was compiled for. */
  readonly fixesRanks: boolean;
  /** What indices beyond 2²⁴ need, where float32 skips numbers. */
  readonly farIndices: FarIndices;
  /** Computes four columns per thread: about 2× as fast on WebGPU at 64³ and above. Needs results that can be reshaped. */
  readonly fours: boolean;
  /** Largest number of threads along [x, y, z]. */
  readonly maxThreads: readonly [number, number, number];
  /** Largest number of values in one array. */
  readonly maxValues: number;
  /** The limit behind `maxValues`, for error messages. */
  readonly limit: string;
  /** Size of the kernel cache. */
  readonly maxKernels: number;
  /** Runs a launch with a large result and waits for it. @throws OutOfMemory */
  careful<T>(launch: () => Promise<T>): Promise<T>;
  /** Drops the reference that a kernel keeps to its last result. */
  release(kernel: BuiltKernel): void;
  /** Why the device can no longer be used; undefined while it can. */
  fault(): string | undefined;
  /** Resolves when the device has finished all launches. */
  drain(): Promise<unknown>;
  close(): Promise<void>;
}

/** Opens a gpu.js mode. @throws DeviceError that says what to install or enable */
export async function openBackend(mode: Mode): Promise<Backend> {
  const module = await loadGpuJs();
  switch (mode) {
    case 'webgpu':
      return openWebGpu(module);
    case 'webgl2':
    case 'webgl':
    case 'headlessgl':
      return openGl(module, mode);
    case 'webasm':
    case 'cpu':
      return openPlain(module, mode);
  }
}

async function openWebGpu(module: GpuJsModule): Promise<Backend> {
  await provideWebGpu();
  let context: WebGpuContext;
  try {
    context = await module.WebGPUContext.acquire();
  } catch (error) {
    throw new DeviceError(
      `webgpu: expected a WebGPU adapter, got none (${(error as Error).message.split('. ')[0]}). In Node: npm install webgpu@0.6.2, and a ` +
        `Vulkan driver (for one without a GPU: apt-get install libvulkan1 chromium). In Chromium: start it with --enable-unsafe-webgpu.`,
    );
  }
  const { device } = context;
  let fault: string | undefined;
  let closing = false;
  device.lost.then(({ message }) => {
    if (!closing) fault ??= `the device was lost (${message || 'no reason given'})`;
  });
  device.onuncapturederror = ({ error }) => {
    fault ??= error.constructor.name === 'GPUOutOfMemoryError' ? `out of memory: ${error.message}` : error.message;
  };
  const gpu = new module.GPU({ mode: 'webgpu' });
  const bytes = Math.min(device.limits['maxStorageBufferBindingSize'], device.limits['maxBufferSize']);
  const groups = device.limits['maxComputeWorkgroupsPerDimension'];
  return {
    gpu,
    declaresArguments: true,
    fixesRanks: false,
    farIndices: 'as they are',
    fours: true,
    maxThreads: [8 * groups, 8 * groups, groups],
    maxValues: bytes / 4,
    limit: `maxStorageBufferBindingSize = ${bytes} bytes`,
    maxKernels: 4096,
    async careful(launch) {
      device.pushErrorScope('out-of-memory');
      const [launched] = await Promise.allSettled([launch()]);
      const error = await device.popErrorScope();
      if (error) throw new OutOfMemory(error.message);
      if (launched.status === 'rejected') throw launched.reason;
      return launched.value;
    },
    // gpu.js keeps a reference to each kernel's last result, which would hold a second copy of all activations
    release({ kernel }) {
      const buffer = kernel.outputBuffer;
      if (!buffer) return;
      if (--buffer._refs === 0) buffer.destroy();
      kernel.outputBuffer = null;
    },
    fault: () => fault,
    drain: () => (fault ? Promise.resolve() : device.queue.onSubmittedWorkDone()),
    async close() {
      closing = true;
      await gpu.destroy();
      await module.WebGPUContext.destroy();
    },
  };
}

function openGl(module: GpuJsModule, mode: 'webgl2' | 'webgl' | 'headlessgl'): Backend {
  const { GPU } = module;
  const there = { webgl2: GPU.isWebGL2Supported, webgl: GPU.isWebGLSupported, headlessgl: GPU.isHeadlessGLSupported };
  if (!there[mode]) {
    throw new DeviceError(
      mode === 'headlessgl'
        ? 'headlessgl: expected the compiled package gl, got none. Install libxi-dev libxext-dev libgl1-mesa-dev pkg-config xvfb, run npm install gl (it compiles for about 5 minutes), and start Node under xvfb-run.'
        : `${mode}: expected a browser with ${mode === 'webgl2' ? 'WebGL 2' : 'WebGL'}, got none. In Node use webgpu or headlessgl.`,
    );
  }
  const gpu = new GPU({ mode });
  const gl = () => gpu.context; // null until the first kernel is built
  const size = probeTextureSize(mode);
  return {
    gpu,
    declaresArguments: false,
    fixesRanks: true,
    farIndices: 'without ids',
    fours: false,
    maxThreads: [Infinity, Infinity, Infinity],
    maxValues: size * size,
    limit: `MAX_TEXTURE_SIZE = ${size}`,
    maxKernels: 1024,
    async careful(launch) {
      const launched = await launch();
      const context = gl();
      if (context?.getError() === context?.OUT_OF_MEMORY) throw new OutOfMemory('WebGL says OUT_OF_MEMORY');
      return launched;
    },
    release() {},
    fault: () => (gl()?.isContextLost() ? 'the WebGL context was lost' : undefined),
    drain: async () => gl()?.finish(),
    close: () => gpu.destroy(),
  };
}

function probeTextureSize(mode: string): number {
  if (mode === 'headlessgl' || typeof OffscreenCanvas === 'undefined') return 8192;
  const gl = new OffscreenCanvas(1, 1).getContext(mode as 'webgl');
  const size = gl?.getParameter(gl.MAX_TEXTURE_SIZE) as number | undefined;
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return size ?? 8192;
}

function openPlain(module: GpuJsModule, mode: 'webasm' | 'cpu'): Backend {
  if (mode === 'webasm' && !module.GPU.isWebAssemblySupported) {
    throw new DeviceError('webasm: expected WebAssembly with SIMD, got none. Update the browser, or use gpujs-cpu.');
  }
  const gpu = new module.GPU({ mode });
  return {
    gpu,
    declaresArguments: false,
    fixesRanks: false,
    farIndices: mode === 'webasm' ? 'with integer counters' : 'as they are',
    fours: false,
    maxThreads: [Infinity, Infinity, Infinity],
    maxValues: 2 ** 28,
    limit: 'the 4 GiB of a WebAssembly memory',
    // each webasm kernel reserves 10 GB of address space; a browser tab has about 1 TB
    maxKernels: mode === 'webasm' && typeof process === 'undefined' ? 64 : 2048,
    careful: (launch) => launch(),
    release() {},
    fault: () => undefined,
    drain: async () => {},
    close: () => gpu.destroy(),
  };
}
