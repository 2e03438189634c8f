/** How Vite serves and builds the page in web/. */
import { fileURLToPath } from 'node:url';
import type { InlineConfig, Plugin } from 'vite';
import { contentType, filePath, isolation } from '../../http/index.ts';
import { bake } from '../../web/bake.ts';
import type { SiteFiles } from './assets.ts';

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** Packages that only Node imports, and only when it opens a GPU. */
const nodeOnly = ['webgpu', 'gl'];

const rolldown = { external: nodeOnly, checks: { bundlerTimings: false } };

/** The configuration for development and for the build. `files` stand beside the page. */
export function pageConfig(files: SiteFiles): InlineConfig {
  return {
    configFile: false,
    root: path('web'),
    base: './', // so that the folder works from any host and sub-path
    publicDir: false,
    appType: 'mpa', // a path without a file is an error
    logLevel: 'warn',
    clearScreen: false,
    plugins: [baked(), standing(files)],
    worker: { format: 'es', plugins: () => [baked()], rolldownOptions: rolldown },
    build: { target: 'es2022', assetsInlineLimit: 0, rolldownOptions: rolldown },
    server: { fs: { allow: [path('.')] }, headers: isolation },
    optimizeDeps: { exclude: nodeOnly },
  };
}

/** Answers `import baked from 'virtual:baked'` with what `bake()` returns, and 'virtual:baked-film', which comes later, with its film. */
function baked(): Plugin {
  const modules: Readonly<Record<string, () => Promise<unknown>>> = {
    '\0virtual:baked': async () => ({ ...(await bake()), film: undefined }),
    '\0virtual:baked-film': async () => (await bake()).film,
  };
  return {
    name: 'virtual:baked',
    resolveId: (id) => (modules[`\0${id}`] ? `\0${id}` : undefined),
    load: async (id) => (modules[id] ? `export default ${JSON.stringify(await modules[id]())}` : undefined),
  };
}

/** Serves files in development and copies them into the build. */
function standing(files: SiteFiles): Plugin {
  return {
    name: 'titok:files',
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const path = filePath(request.url ?? '/');
        const read = files.get(path);
        if (!read) return next();
        read().then(
          (body) => response.writeHead(200, { ...isolation, 'Content-Type': contentType(path) }).end(body),
          next,
        );
      });
    },
    async generateBundle() {
      for (const [path, read] of files) this.emitFile({ type: 'asset', fileName: path.slice(1), source: await read() });
    },
  };
}
