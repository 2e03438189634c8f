/** The names of the hardware behind devices. Runs in Node and in browsers. */

interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
}
interface Gpu {
  requestAdapter(): Promise<{ readonly info?: AdapterInfo } | null>;
}

/** The adapter of an open device: a processor, WebGPU's adapter, or WebGL's renderer. */
export async function adapterOf(device: string): Promise<string> {
  if (device === 'webgpu') return webgpuAdapter();
  if (device === 'webgl' || device === 'webgl2')
    return rendererOf(new OffscreenCanvas(1, 1).getContext(device as 'webgl2'));
  if (device === 'headlessgl') return rendererOf(await headlessContext());
  const os = globalThis.process?.getBuiltinModule?.('node:os');
  if (!os) return `${globalThis.navigator?.hardwareConcurrency ?? 'some'} cores`;
  const cores = os.cpus();
  return `${cores[0]?.model.trim() || os.arch()}, ${cores.length} cores`;
}

/** Vendor, architecture, device and description; browsers leave some of them empty. */
async function webgpuAdapter(): Promise<string> {
  const { gpu } = globalThis.navigator as unknown as { gpu: Gpu };
  const info = (await gpu.requestAdapter())?.info;
  const { vendor = '', architecture = '', device = '', description = '' } = info ?? {};
  return [vendor, architecture, device, description].filter(Boolean).join(' ') || 'unnamed adapter';
}

function rendererOf(gl: WebGLRenderingContext | WebGL2RenderingContext | null): string {
  if (!gl) return 'unnamed renderer';
  const names = gl.getExtension('WEBGL_debug_renderer_info'); // browsers hide the name without it
  return String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
}

/** From the package gl, which is not installed everywhere. */
async function headlessContext(): Promise<WebGLRenderingContext | null> {
  const name = 'gl';
  const { default: create } = (await import(name)) as {
    default: (w: number, h: number) => WebGLRenderingContext | null;
  };
  return create(1, 1);
}
