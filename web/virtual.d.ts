declare module 'virtual:baked' {
  const baked: import('./baked.ts').Baked;
  export default baked;
}
