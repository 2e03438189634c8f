/** Modules that the build of the page makes (tools/web/vite.ts). */
declare module 'virtual:baked' {
  const baked: import('../tools/web/bake.ts').Baked;
  export default baked;
}
