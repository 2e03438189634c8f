/** A file of golden values: named tensors and, as metadata, the configuration that made them. Runs in browsers. */
import { type Shape, type Tensor, tensor } from '../../core/index.ts';
import { parseSafetensors } from '../../data/browser.ts';

/** Where a golden file comes from: the disk, or a server. */
export interface GoldenSource {
  /** Without folder and extension: 'titok_stage2'. */
  readonly name: string;
  /** The file's bytes. */
  bytes(): Promise<Uint8Array>;
  /** The bytes of another file that the metadata names, such as a network's weights; undefined when it is missing. */
  beside(name: string): Promise<Uint8Array | undefined>;
}

interface Entry {
  readonly integer: boolean;
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/** A golden file in memory. Reading a key that it lacks throws. */
export class GoldenFile {
  readonly source: GoldenSource;
  readonly keys: readonly string[];
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #metadata: Readonly<Record<string, string>>;

  private constructor(
    source: GoldenSource,
    entries: ReadonlyMap<string, Entry>,
    metadata: Readonly<Record<string, string>>,
  ) {
    this.source = source;
    this.keys = [...entries.keys()];
    this.#entries = entries;
    this.#metadata = metadata;
  }

  /** Reads and parses a file. */
  static async open(source: GoldenSource): Promise<GoldenFile> {
    const { tensors, metadata } = parseSafetensors(await source.bytes(), source.name);
    const entries = Object.entries(tensors).map(([key, { dtype, shape, data }]): [string, Entry] => {
      const integer = dtype !== 'F32';
      const values = integer ? Int32Array.from(data as ArrayLike<number | bigint>, Number) : (data as Float32Array);
      return [key, { integer, shape, data: values }];
    });
    return new GoldenFile(source, new Map(entries), metadata);
  }

  get name(): string {
    return this.source.name;
  }
  has(key: string): boolean {
    return this.#entries.has(key);
  }
  /** Keys that start with a prefix, without it. */
  below(prefix: string): string[] {
    return this.keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  }
  shape(key: string): Shape {
    return this.#entry(key).shape;
  }
  isInteger(key: string): boolean {
    return this.#entry(key).integer;
  }
  values(key: string): Float32Array | Int32Array {
    return this.#entry(key).data;
  }
  scalar(key: string): number {
    return this.values(key)[0];
  }
  /** A new tensor on the default device. */
  tensor(key: string): Tensor {
    const { integer, shape, data } = this.#entry(key);
    return tensor(data, shape, { dtype: integer ? 'int32' : 'float32' });
  }
  /** The state dict stored under a prefix. */
  state(prefix: string): Record<string, { shape: Shape; data: Float32Array | Int32Array }> {
    return Object.fromEntries(this.below(prefix).map((key) => [key, this.#entry(prefix + key)]));
  }
  hasMetadata(key: string): boolean {
    return key in this.#metadata;
  }
  /** A metadata entry, parsed as JSON. The type is not checked. */
  metadata<T>(key: string): T {
    const text = this.#metadata[key];
    if (text === undefined) throw new Error(`${this.name}: expected metadata '${key}', got none of that name.`);
    return JSON.parse(text) as T;
  }
  /** A metadata entry as it is stored. */
  text(key: string): string | undefined {
    return this.#metadata[key];
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key);
    if (!entry) throw new Error(`${this.name}: expected a tensor '${key}', got none of that name.`);
    return entry;
  }
}
