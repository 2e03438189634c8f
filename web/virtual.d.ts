declare module 'virtual:baked' {
  const baked: import('../tools/web/bake.ts').Baked;
  export default baked;
}

/** Styles that a module brings along. */
declare module '*.css';
