/**
 * PyTorch's files (`.pt`, `.pth`, `.bin`), as torch.save writes them since version 1.6: a zip archive of
 *
 *   NAME/data.pkl    a pickle that says how tensors are made of storages
 *   NAME/data/0, …   the storages' values, little endian
 *
 * Before, and still in torchvision's older weights, a file was a row of five pickles – a magic number, a version, what the system was,
 * the tensors, the keys of their storages – and then of each storage the number of values, and the values.
 *
 * The pickles are read by a machine that can make tensors and dicts, and nothing else: see pickle.ts.
 */
import { CheckpointError } from '../core/index.ts';
import { type ByteSource, openBytes } from './byte-source.ts';
import { EndedWithin, PickleGlobal, unpickle, unpickleAt } from './pickle.ts';
import type { ListedTensor, RawTensor } from './safetensors.ts';
import type { TensorFile } from './safetensors-file.ts';
import { decodeValues, isFileDType, itemSize, type RawData } from './values.ts';
import { entryStart, zipEntries } from './zip.ts';

/** Values outside of the pickle. */
class Storage {
  readonly key: string;
  readonly dtype: string;
  /** values; of an UntypedStorage bytes */
  readonly count: number;

  constructor(key: string, dtype: string, count: number) {
    this.key = key;
    this.dtype = dtype;
    this.count = count;
  }
}

/** A view of a storage: the value of index i is at offset + Σ i_d stride_d. */
class TorchTensor implements ListedTensor {
  readonly storage: Storage;
  readonly dtype: string;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];

  constructor(storage: Storage, dtype: string, offset: number, shape: readonly number[], stride: readonly number[]) {
    this.storage = storage;
    this.dtype = dtype;
    this.offset = offset;
    this.shape = shape;
    this.stride = stride;
  }
}

/** What a PyTorch file holds, before it is known what of it are weights. */
interface Contents {
  /** What was saved. */
  readonly root: unknown;
  /** Bytes of a storage. @throws CheckpointError when it has fewer */
  bytesOf(storage: Storage, start: number, length: number): Uint8Array;
}

/**
 * Opens a PyTorch file and reads only what it lists. A state dict may be the whole file, or one member of a dict, as in
 * { 'model': …, 'step': 5 }; what is no tensor is left out.
 *
 * @param contents  `zippedTensors`, or `pickledTensors` for a file from before version 1.6
 * @throws CheckpointError when the file is damaged or compressed, or when its pickle has more than tensors in dicts
 */
export function openTorchFile(path: string, contents: (file: ByteSource) => Contents): TensorFile {
  const file = openBytes(path);
  const { close } = file;
  try {
    const { root, bytesOf } = contents(file);
    const entries = stateOf(root, path);
    const read = (name: string): RawTensor => {
      const entry = entries.get(name);
      if (!entry) throw new CheckpointError(`${path}: expected a tensor '${name}', got a file without it.`);
      return readTensor(entry, `${path}: '${name}'`, (start, length) => bytesOf(entry.storage, start, length));
    };
    return { entries, metadata: {}, read, close, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The archive that torch.save writes. */
export function zippedTensors(file: ByteSource): Contents {
  const path = file.name;
  const archive = zipEntries(file);
  const pickle = [...archive.keys()].find((name) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  if (pickle === undefined)
    throw new CheckpointError(`${path}: expected a PyTorch file, got a zip archive without data.pkl.`);
  const folder = pickle.slice(0, -'data.pkl'.length);
  const bytesIn = (name: string, start = 0, length?: number): Uint8Array => {
    const entry = archive.get(name);
    if (!entry || start + (length ?? 0) > entry.size) return damaged(path, `the values of '${name}'`, 'too few');
    return file.read(entryStart(file, name, entry) + start, length ?? entry.size);
  };
  const order = archive.has(`${folder}byteorder`) ? bytesIn(`${folder}byteorder`) : undefined;
  if (order) expectLittleEndian(path, new TextDecoder().decode(order.subarray(0, 16)));
  const root = unpickle(bytesIn(pickle), {
    globals: globalsOf(path),
    persistent: (id) => storageOf(id, path),
    where: path,
  });
  return { root, bytesOf: ({ key }, start, length) => bytesIn(`${folder}data/${key}`, start, length) };
}

const complexBytes: Readonly<Record<string, number>> = { C64: 8, C128: 16 };
const bytesOfValue = (dtype: string): number => (isFileDType(dtype) ? itemSize[dtype] : (complexBytes[dtype] ?? 1));

const oldVersion = 1001;
const pickleWindow = 2 ** 20; // bytes that are read at first: those of 1,000 tensors have 200,000
const mostPickle = 2 ** 27;

/** The row of pickles and values that torch.save wrote before version 1.6. */
export function pickledTensors(file: ByteSource): Contents {
  const path = file.name;
  const read = (most: number) => {
    const bytes = file.read(0, Math.min(most, file.size));
    const storages = new Map<string, Storage>();
    const persistent = (id: unknown) => {
      const storage = storageOf(id, path);
      storages.set(storage.key, storage);
      return storage;
    };
    const values: unknown[] = [];
    let end = 0;
    while (values.length < 5) {
      const found = unpickleAt(bytes, end, { globals: globalsOf(path), persistent, where: path });
      values.push(found.value);
      end = found.end;
    }
    return { values, storages, end };
  };
  const tryAll = (most: number): ReturnType<typeof read> => {
    try {
      return read(most);
    } catch (error) {
      const isCutOff = error instanceof EndedWithin && most < Math.min(file.size, mostPickle);
      if (isCutOff) return tryAll(Math.min(8 * most, mostPickle));
      throw error;
    }
  };
  const { values, storages, end } = tryAll(pickleWindow);
  const [, version, system, root, keys] = values;
  if (version !== oldVersion || !(system instanceof Map) || !Array.isArray(keys))
    return damaged(path, `a PyTorch file of version ${oldVersion}`, 'another');
  expectLittleEndian(path, system.get('little_endian') === false ? 'big' : 'little');
  const places = new Map<string, number>();
  let at = end;
  for (const key of keys) {
    const storage = storages.get(key);
    const size = storage ? storage.count * bytesOfValue(storage.dtype) : 0;
    if (!storage || at + 8 + size > file.size) return damaged(path, `the values of storage '${key}'`, 'too few');
    const { buffer } = file.read(at, 8);
    if (new DataView(buffer).getBigUint64(0, true) !== BigInt(storage.count))
      return damaged(path, `${storage.count} values of storage '${key}'`, 'another number');
    places.set(key, at + 8);
    at += 8 + size;
  }
  const bytesOf: Contents['bytesOf'] = ({ key, count, dtype }, start, length) => {
    const place = places.get(key);
    if (place === undefined || start + length > count * bytesOfValue(dtype))
      return damaged(path, `the values of storage '${key}'`, 'too few');
    return file.read(place + start, length);
  };
  return { root, bytesOf };
}

const storageTypes: Readonly<Record<string, string>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
  ComplexFloatStorage: 'C64',
  ComplexDoubleStorage: 'C128',
};
/** Those without a storage class of their own. */
const numberTypes: Readonly<Record<string, string>> = {
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
};
const untyped = 'bytes';

const mostPairs = 1_000_000; // of all dicts of a file

/** All that a pickle of tensors may name. */
function globalsOf(path: string): ReadonlyMap<string, PickleGlobal> {
  const rebuild = ([storage, ...rest]: readonly unknown[]) => tensorOf(path, storage, rest);
  let pairsLeft = mostPairs;
  /** Python 2 gives the pairs of a dict to its making, where Python 3 puts them in afterwards. */
  const orderedDict = ([pairs = []]: readonly unknown[]) => {
    const isPair = (pair: unknown) => Array.isArray(pair) && pair.length === 2;
    if (!Array.isArray(pairs) || pairs.length > pairsLeft || !pairs.every(isPair))
      return damaged(path, 'the pairs of a dict', 'something else');
    pairsLeft -= pairs.length;
    return new Map(pairs as [unknown, unknown][]);
  };
  const all = [
    new PickleGlobal('collections.OrderedDict', orderedDict),
    new PickleGlobal('torch._utils._rebuild_tensor', rebuild),
    new PickleGlobal('torch._utils._rebuild_tensor_v2', rebuild),
    new PickleGlobal('torch._utils._rebuild_tensor_v3', rebuild),
    new PickleGlobal('torch._utils._rebuild_parameter', ([tensor]) => tensor),
    new PickleGlobal('torch.storage.UntypedStorage'),
    new PickleGlobal('torch.UntypedStorage'),
    ...[...Object.keys(storageTypes), ...Object.keys(numberTypes)].map((name) => new PickleGlobal(`torch.${name}`)),
  ];
  return new Map(all.map((global) => [global.name, global]));
}

const lastName = (global: unknown): string =>
  global instanceof PickleGlobal ? global.name.slice(global.name.lastIndexOf('.') + 1) : '';

/** ('storage', torch.FloatStorage, '0', 'cpu', 6). Before version 1.6 a view of another storage could follow; only None is read. */
function storageOf(id: unknown, path: string): Storage {
  const [kind, type, key, , count, view] = Array.isArray(id) ? id : [];
  const name = lastName(type);
  const dtype = name === 'UntypedStorage' ? untyped : storageTypes[name];
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isSize(count) || (view ?? null) !== null)
    return damaged(path, 'the place of a storage', 'something else');
  return new Storage(key, dtype, count);
}

/** (storage, offset, shape, stride, requires_grad, hooks[, dtype]) */
function tensorOf(path: string, storage: unknown, [offset, shape, stride, , , type]: readonly unknown[]): TorchTensor {
  const fits =
    isSize(offset) && isSizes(shape) && isSizes(stride) && shape.length === stride.length && shape.length <= 64;
  if (!(storage instanceof Storage) || !fits)
    return damaged(path, 'a tensor with offset, shape and strides', 'another');
  const dtype = storage.dtype === untyped ? numberTypes[lastName(type)] : storage.dtype;
  if (dtype === undefined) return damaged(path, 'a tensor with a number type', 'none that is known');
  return new TorchTensor(storage, dtype, offset, shape, stride);
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isSizes = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isSize);

/** The tensors of the file, or of its only member that has some. */
function stateOf(root: unknown, path: string): ReadonlyMap<string, TorchTensor> {
  if (!(root instanceof Map))
    return damaged(
      path,
      'a dict of tensors',
      Array.isArray(root) ? 'a list' : typeof root === 'object' ? 'another value' : `${root}`,
    );
  const own = tensorsOf(root);
  if (own.size > 0) return own;
  const members = [...root]
    .map(
      ([name, member]) =>
        [typeof name === 'object' ? 'a key' : `${name}`, member instanceof Map ? tensorsOf(member) : own] as const,
    )
    .filter(([, tensors]) => tensors.size > 0);
  if (members.length === 1) return members[0][1];
  const names = members.map(([name]) => `'${name}'`).join(', ');
  throw new CheckpointError(
    `${path}: expected one dict of tensors, got ${members.length === 0 ? 'none' : names}. Save the one that you mean: torch.save(model.state_dict(), PATH).`,
  );
}

const tensorsOf = (dict: ReadonlyMap<unknown, unknown>): Map<string, TorchTensor> =>
  new Map([...dict].flatMap(([name, t]) => (typeof name === 'string' && t instanceof TorchTensor ? [[name, t]] : [])));

/** The values in row-major order. Reads the storage from the tensor's first value to its last. */
function readTensor(
  { storage, dtype, offset, shape, stride }: TorchTensor,
  where: string,
  read: (start: number, length: number) => Uint8Array,
): RawTensor {
  if (!isFileDType(dtype))
    throw new CheckpointError(
      `${where}: expected one of ${Object.keys(itemSize).join(', ')}, got ${dtype}. Save it as float32.`,
    );
  const item = itemSize[dtype];
  const stored = storage.dtype === untyped ? storage.count / item : storage.count;
  const count = shape.reduce((product, d) => product * d, 1);
  const last = shape.reduce((sum, d, i) => sum + (d - 1) * stride[i], 0);
  if (count > 0 && (count > stored || offset + last >= stored))
    damaged(where, `values within a storage of ${stored}`, `[${shape}] with strides [${stride}] from ${offset} on`);
  if (count === 0) return { dtype, shape, data: decodeValues(dtype, new Uint8Array(), where) };
  const data = decodeValues(dtype, read(offset * item, (last + 1) * item), where);
  return { dtype, shape, data: isRowMajor(shape, stride) ? data : inRowMajor(data, shape, stride, count) };
}

function isRowMajor(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && stride[d] !== expected) return false;
    expected *= shape[d];
  }
  return true;
}

function inRowMajor(data: RawData, shape: readonly number[], stride: readonly number[], count: number): RawData {
  const values = new (data.constructor as { new (length: number): RawData })(count);
  const index = shape.map(() => 0);
  for (let i = 0, from = 0; i < count; i++) {
    values[i] = data[from];
    for (let d = shape.length - 1; d >= 0; d--) {
      from += stride[d];
      if (++index[d] < shape[d]) break;
      from -= shape[d] * stride[d];
      index[d] = 0;
    }
  }
  return values;
}

function expectLittleEndian(path: string, order: string): void {
  if (order === 'little') return;
  throw new CheckpointError(
    `${path}: expected little-endian values, got byte order '${order}'. Save it on another machine.`,
  );
}

function damaged(where: string, expected: string, got: string): never {
  throw new CheckpointError(`${where}: expected ${expected}, got ${got}. Is the file damaged?`);
}
