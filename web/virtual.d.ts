declare module 'virtual:baked' {
  const baked: import('./baked.ts').Baked;
  export default baked;
}

/** Styles that a module brings along. */
declare module '*.css';

declare module 'virtual:baked-film' {
  const film: import('./baked.ts').BakedFilm;
  export default film;
}
