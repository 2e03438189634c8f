/** What a piece of code asks memory for, whether it then uses it or not. */

const watched = [
  'ArrayBuffer', 'Uint8Array', 'Int8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'Array',
] as const; // biome-ignore format: a list

/**
 * Runs an action and finds the largest array that it asks for. Arrays that Node makes for itself, as when it reads files or
 * unpacks them, are not seen: they show in the memory of the process.
 *
 * @returns requested  bytes
 */
export async function largestRequest<T>(action: () => Promise<T>): Promise<{ result: T; requested: number }> {
  let requested = 0;
  const globals = globalThis as unknown as Record<
    string,
    { new (...args: unknown[]): object; BYTES_PER_ELEMENT?: number }
  >;
  const originals = watched.map((name) => [name, globals[name]] as const);
  for (const [name, original] of originals) {
    const each = original.BYTES_PER_ELEMENT ?? (name === 'Array' ? 8 : 1);
    globals[name] = new Proxy(original, {
      construct(target, args: unknown[], called) {
        if (args.length === 1 && typeof args[0] === 'number') requested = Math.max(requested, each * args[0]);
        return Reflect.construct(target, args, called === globals[name] ? target : called) as object;
      },
    });
  }
  try {
    return { result: await action(), requested };
  } finally {
    for (const [name, original] of originals) globals[name] = original;
  }
}
