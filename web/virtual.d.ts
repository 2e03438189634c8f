declare module 'virtual:baked' {
  const baked: import('../tools/web/bake.ts').Baked;
  export default baked;
}
declare module 'virtual:baked-film' {
  const film: import('../tools/web/bake.ts').BakedFilm;
  export default film;
}
