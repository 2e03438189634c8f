/**
 * Python's pickles, restricted: data and calls of functions that the reader names. A pickle is a program for a machine with
 * a stack, which may import and call anything; this machine knows no Python, and refuses all names but the given ones.
 *
 * @see https://docs.python.org/3/library/pickletools.html
 */
import { CheckpointError } from '../core/index.ts';

/** A function or a class that a pickle may name. */
export class PickleGlobal {
  /** 'torch._utils._rebuild_tensor_v2' */
  readonly name: string;
  /** What a call gives. Without it, a pickle may name it but not call it. */
  readonly call: ((args: readonly unknown[]) => unknown) | undefined;

  constructor(name: string, call?: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** A pickle that ends before its last operation. */
export class EndedWithin extends CheckpointError {}

/** What a pickle may contain besides data. */
export interface PickleOptions {
  /** Of the functions and classes that it may name. */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** What stands for a thing that is stored outside of the pickle. */
  readonly persistent: (id: unknown) => unknown;
  /** For error messages. */
  readonly where: string;
}

const mostOperations = 1_000_000; // a state dict of 1,000 tensors has 40,000; each makes 200 bytes at most

/** What a pickle describes, see `unpickleAt`. */
export const unpickle = (bytes: Uint8Array, options: PickleOptions): unknown => unpickleAt(bytes, 0, options).value;

/**
 * What the pickle at a place describes: dicts as Map, lists, tuples and sets as arrays, None as null.
 *
 * @returns its value, and the place behind it
 * @throws EndedWithin; CheckpointError that names what is not allowed, or when the pickle is damaged
 */
export function unpickleAt(
  bytes: Uint8Array,
  start: number,
  { globals, persistent, where }: PickleOptions,
): { readonly value: unknown; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  let stack: unknown[] = [];
  const outer: unknown[][] = []; // stacks below each mark
  const memo = new Map<number, unknown>();

  const fail = (got: string, kind = CheckpointError): never => {
    throw new kind(`${where}: expected a pickle of tensors, got ${got}. Is the file damaged?`);
  };
  const take = (length: number): number => {
    if (!(length <= bytes.length - at)) fail(`one that ends within a value, at byte ${at}`, EndedWithin);
    at += length;
    return at - length;
  };
  const text = (length: number): string => {
    const start = take(length);
    return new TextDecoder().decode(bytes.subarray(start, start + length));
  };
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    const found = text((end < 0 ? bytes.length + 1 : end) - at);
    at++;
    return found;
  };
  const u8 = () => view.getUint8(take(1));
  const u32 = () => view.getUint32(take(4), true);
  const u64 = () => Number(view.getBigUint64(take(8), true));
  const pop = (): unknown => (stack.length > 0 ? stack.pop() : fail(`an operation without its value, at byte ${at}`));
  const popMark = (): unknown[] => {
    const values = stack;
    stack = outer.pop() ?? fail(`an end without its beginning, at byte ${at}`);
    return values;
  };
  const top = (): unknown => (stack.length > 0 ? stack[stack.length - 1] : fail('an operation without its value'));
  const put = (index: number) => memo.set(index, top());
  const get = (index: number) => stack.push(memo.has(index) ? memo.get(index) : fail(`a value that it never stored`));
  const list = (): unknown[] => {
    const value = top();
    return Array.isArray(value) ? value : fail('values for something that is no list');
  };
  const setItems = (pairs: readonly unknown[]) => {
    const dict = top();
    if (!(dict instanceof Map) || pairs.length % 2 !== 0) return fail('entries for something that is no dict');
    for (let i = 0; i < pairs.length; i += 2) dict.set(pairs[i], pairs[i + 1]);
  };
  const global = (name: string) => {
    const allowed = globals.get(name);
    if (allowed) return stack.push(allowed);
    throw new CheckpointError(
      `${where}: expected tensors alone, got '${name}', which a pickle may use to run code. Nothing was run. If you trust the file, ` +
        'load it in Python and save its tensors: torch.save(model.state_dict(), PATH).',
    );
  };
  const call = (callee: unknown, args: unknown) => {
    if (!(callee instanceof PickleGlobal)) return fail('a call of something that is no function');
    if (!callee.call || !Array.isArray(args)) return fail(`a call of ${callee.name}`);
    stack.push(callee.call(args));
  };

  for (let done = 0; ; done++) {
    if (done > mostOperations) fail(`more than ${mostOperations.toLocaleString('en')} operations`);
    const op = String.fromCharCode(u8());
    switch (op) {
      case '\x80': // PROTO
        take(1);
        break;
      case '\x95': // FRAME
        take(8);
        break;
      case '.': // STOP
        return { value: pop(), end: at };
      case '(': // MARK
        outer.push(stack);
        stack = [];
        break;
      case '0': // POP
        pop();
        break;
      case '1': // POP_MARK
        popMark();
        break;
      case '2': // DUP
        stack.push(top());
        break;
      case 'N':
        stack.push(null);
        break;
      case '\x88':
        stack.push(true);
        break;
      case '\x89':
        stack.push(false);
        break;
      case 'J': // BININT
        stack.push(view.getInt32(take(4), true));
        break;
      case 'K':
        stack.push(u8());
        break;
      case 'M':
        stack.push(view.getUint16(take(2), true));
        break;
      case '\x8a': // LONG1
        stack.push(long(bytes, take, u8()));
        break;
      case 'G': // BINFLOAT
        stack.push(view.getFloat64(take(8)));
        break;
      case '\x8c': // SHORT_BINUNICODE; below strings and bytes, which nothing here tells apart
      case 'U':
      case 'C':
        stack.push(text(u8()));
        break;
      case 'X':
      case 'T':
      case 'B':
        stack.push(text(u32()));
        break;
      case '\x8d':
      case '\x8e':
        stack.push(text(u64()));
        break;
      case '}': // EMPTY_DICT
        stack.push(new Map());
        break;
      case ']': // EMPTY_LIST
      case ')': // EMPTY_TUPLE
      case '\x8f': // EMPTY_SET
        stack.push([]);
        break;
      case 't': // TUPLE
      case 'l': // LIST
      case '\x91': {
        const members = popMark(); // changes the stack
        stack.push(members);
        break;
      }
      case '\x85':
        stack.push([pop()]);
        break;
      case '\x86': {
        const second = pop();
        stack.push([pop(), second]);
        break;
      }
      case '\x87': {
        const [third, second] = [pop(), pop()];
        stack.push([pop(), second, third]);
        break;
      }
      case 'd': {
        // DICT
        const pairs = popMark();
        stack.push(new Map());
        setItems(pairs);
        break;
      }
      case 'a': {
        // APPEND
        const member = pop();
        list().push(member);
        break;
      }
      case 'e': // APPENDS
      case '\x90': {
        // ADDITEMS
        const members = popMark();
        const whole = list();
        for (const member of members) whole.push(member);
        break;
      }
      case 's': {
        // SETITEM
        const [value, key] = [pop(), pop()];
        setItems([key, value]);
        break;
      }
      case 'u':
        setItems(popMark());
        break;
      case 'h':
        get(u8());
        break;
      case 'j':
        get(u32());
        break;
      case 'q':
        put(u8());
        break;
      case 'r':
        put(u32());
        break;
      case '\x94': // MEMOIZE
        put(memo.size);
        break;
      case 'c': {
        // GLOBAL
        const module = line();
        global(`${module}.${line()}`);
        break;
      }
      case '\x93': {
        // STACK_GLOBAL
        const [name, module] = [pop(), pop()];
        if (typeof name !== 'string' || typeof module !== 'string') fail('a function whose name is no text');
        global(`${module}.${name}`);
        break;
      }
      case 'i': {
        // INST
        const module = line();
        global(`${module}.${line()}`);
        break;
      }
      case 'R': // REDUCE
      case '\x81': {
        // NEWOBJ
        const args = pop();
        call(pop(), args);
        break;
      }
      case 'b': {
        // BUILD: attributes, such as the _metadata of state dicts, which say nothing of their values
        pop();
        if (!(top() instanceof Map)) fail('attributes for something that is no dict');
        break;
      }
      case 'Q': // BINPERSID
        stack.push(persistent(pop()));
        break;
      default:
        fail(`the unknown operation 0x${op.charCodeAt(0).toString(16)} at byte ${at - 1}`);
    }
  }
}

/** A whole number of `length` bytes, little endian; beyond 8 bytes no size or offset is: NaN. */
function long(bytes: Uint8Array, take: (length: number) => number, length: number): number {
  const start = take(length);
  if (length > 8) return NaN;
  let value = 0n;
  for (let i = 0; i < length; i++) value |= BigInt(bytes[start + i]) << BigInt(8 * i);
  return Number(BigInt.asIntN(8 * length, value));
}
