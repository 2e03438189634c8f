declare module 'virtual:baked' {
  const baked: import('./baked.ts').Baked;
  export default baked;
}

/** Styles that a module brings along. */
declare module '*.css';
