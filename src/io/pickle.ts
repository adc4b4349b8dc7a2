/**
 * A restricted unpickler: the stack machine of Python's pickle protocols 2 to 5, which builds plain values and containers
 * and asks its host about everything else. The host decides which globals exist and what calling one of them makes, so
 * nothing outside its list can be named, let alone run. Older text opcodes and class instances are not understood.
 * Time and memory grow with the length of the pickle only: nothing is allocated by a declared length, and nothing is
 * walked recursively.
 * Opcodes: Python's Lib/pickletools.py.
 */
import { FileFormatError } from "../core/errors.ts";
import type { PickleValue } from "./pickle-values.ts";
import { OrderedDict, PythonName, ScriptObject } from "./pickle-values.ts";

/** What the machine asks for. Each may throw a {@link FileFormatError} to refuse. */
export interface PickleHost {
  /** The value of a global such as `collections.OrderedDict`. */
  global(module: string, name: string): PickleValue;
  /** The result of calling an allowed global. */
  call(callee: PythonName, args: readonly PickleValue[]): PickleValue;
  /** The object that lies outside the pickle under `id`. */
  persistent(id: PickleValue): PickleValue;
  /** Gives an object that a call made what the pickle says about it. */
  restore(target: ScriptObject, attributes: PickleValue): void;
}

export interface PickleOptions {
  /** Longest pickle to run, in bytes; 64 MiB unless given. */
  readonly maxPickleBytes?: number;
}

export interface Unpickled {
  readonly value: PickleValue;
  /** Offset just after the pickle. */
  readonly end: number;
}

const MAX_PICKLE_BYTES = 2 ** 26;

/** Most values on the stack, open marks, memo entries, and containers: a few bytes of pickle each make a few hundred here. */
const MAX_ITEMS = 2 ** 22;

/** Longest integer, in bytes. */
const MAX_INTEGER_BYTES = 1024;

function fail(message: string): never {
  throw new FileFormatError(`checkpoint: ${message}`);
}

/** Runs the pickle that begins at `begin`. Throws {@link FileFormatError} on anything that is malformed or refused. */
export function unpickle(bytes: Uint8Array, host: PickleHost, begin = 0, options: PickleOptions = {}): Unpickled {
  const machine = new Machine(bytes, host, begin, options.maxPickleBytes ?? MAX_PICKLE_BYTES);
  while (!machine.stopped) {
    const at = machine.at;
    const opcode = machine.byte();
    const run = opcodes[opcode];
    if (!run) fail(`pickle opcode 0x${opcode.toString(16).padStart(2, "0")} at byte ${at} is not supported`);
    run(machine);
  }
  return { value: machine.result(), end: machine.at };
}

class Machine {
  at: number;
  stopped = false;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly host: PickleHost;
  /** Offset at which reading fails, and what it means to get there. */
  private readonly limit: number;
  private readonly stack: PickleValue[] = [];
  /** Stack heights at which the open marks stand. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private containers = 0;

  constructor(bytes: Uint8Array, host: PickleHost, begin: number, maxPickleBytes: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.host = host;
    this.at = begin;
    this.limit = Math.min(bytes.length, begin + maxPickleBytes);
  }

  // Reading

  /** Moves past the next `size` bytes and returns where they begin. */
  private skip(size: number): number {
    const begin = this.at;
    if (begin + size > this.limit) {
      const why = this.limit < this.bytes.length ? "longer than the limit (see maxPickleBytes)" : "truncated";
      fail(`the pickle is ${why}: ${size} bytes are wanted at byte ${begin}, ${this.limit - begin} are left`);
    }
    this.at = begin + size;
    return begin;
  }

  byte(): number {
    return this.bytes[this.skip(1)];
  }

  uint16(): number {
    return this.view.getUint16(this.skip(2), true);
  }

  int32(): number {
    return this.view.getInt32(this.skip(4), true);
  }

  uint32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  /** Exact to 2^53; beyond that it exceeds every file. */
  uint64(): number {
    const low = this.uint32();
    return this.uint32() * 2 ** 32 + low;
  }

  /** Pickle writes doubles big-endian. */
  float64(): number {
    return this.view.getFloat64(this.skip(8), false);
  }

  take(size: number): Uint8Array {
    const begin = this.skip(size);
    return this.bytes.subarray(begin, begin + size);
  }

  text(size: number): string {
    return decodeText(this.take(size));
  }

  /** Text up to the next newline, which is dropped. */
  line(): string {
    const begin = this.at;
    while (this.byte() !== 0x0a);
    return decodeText(this.bytes.subarray(begin, this.at - 1));
  }

  /** A little-endian two's complement integer of `size` bytes. */
  integer(size: number): number | bigint {
    if (size > MAX_INTEGER_BYTES) fail(`an integer of ${size} bytes is over the limit of ${MAX_INTEGER_BYTES}`);
    const hex = Array.from(this.take(size).toReversed(), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const value = BigInt.asIntN(8 * size, BigInt(`0x0${hex}`));
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  // The stack

  push(value: PickleValue): void {
    if (this.stack.length >= MAX_ITEMS) fail(`the pickle stacks more than ${MAX_ITEMS} values`);
    this.stack.push(value);
  }

  pushContainer(value: PickleValue): void {
    if (++this.containers > MAX_ITEMS) fail(`the pickle makes more than ${MAX_ITEMS} containers`);
    this.push(value);
  }

  /** The topmost value; what lies below an open mark cannot be reached. */
  top(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0))
      fail(`the pickle takes a value that is not there, before byte ${this.at}`);
    return this.stack[this.stack.length - 1];
  }

  pop(): PickleValue {
    const value = this.top();
    this.stack.length--;
    return value;
  }

  /** The last `count` values, in the order they were pushed. */
  popSeveral(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  mark(): void {
    if (this.marks.length >= MAX_ITEMS) fail(`the pickle has more than ${MAX_ITEMS} open marks`);
    this.marks.push(this.stack.length);
  }

  /** Closes the last mark and returns the values above it. */
  popMark(): PickleValue[] {
    const height = this.marks.pop();
    if (height === undefined) fail(`the pickle closes a mark that is not there, before byte ${this.at}`);
    return this.stack.splice(height);
  }

  /** POP: drops the topmost value, or the mark if nothing lies above it. */
  drop(): void {
    if (this.marks.length && this.stack.length === this.marks.at(-1)) this.marks.pop();
    else this.pop();
  }

  result(): PickleValue {
    const value = this.pop();
    if (this.stack.length || this.marks.length) fail("the pickle ends with values left over");
    return value;
  }

  // The memo

  remember(index: number): void {
    if (this.memo.size >= MAX_ITEMS) fail(`the pickle remembers more than ${MAX_ITEMS} values`);
    this.memo.set(index, this.top());
  }

  rememberNext(): void {
    this.remember(this.memo.size);
  }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) fail(`the pickle recalls value ${index}, which it never stored`);
    this.push(value);
  }

  // Objects

  pushGlobal(module: string, name: string): void {
    this.push(this.host.global(module, name));
  }

  pushStackGlobal(): void {
    const [module, name] = this.popSeveral(2);
    if (typeof module !== "string" || typeof name !== "string") fail("a global's name is not text");
    this.pushGlobal(module, name);
  }

  pushPersistent(): void {
    this.push(this.host.persistent(this.pop()));
  }

  call(): void {
    const [callee, args] = this.popSeveral(2);
    if (!(callee instanceof PythonName)) fail("the pickle calls a value that is no class or function");
    if (!isTuple(args)) fail(`the arguments of ${callee} are no tuple`);
    this.pushContainer(this.host.call(callee, args));
  }

  /** BUILD gives an object its attributes; only an OrderedDict and a ScriptObject may have any. */
  build(): void {
    const attributes = this.pop();
    const target = this.top();
    if (target instanceof ScriptObject) {
      this.host.restore(target, attributes);
      return;
    }
    if (!(target instanceof OrderedDict)) fail("the pickle sets attributes on a value that has none");
    if (!(attributes instanceof Map)) fail("the attributes of an OrderedDict are no dict");
    target.attributes = attributes;
  }

  append(items: readonly PickleValue[]): void {
    const target = this.top();
    if (!isList(target)) fail("the pickle appends to a value that is no list");
    for (const item of items) target.push(item);
  }

  add(items: readonly PickleValue[]): void {
    const target = this.top();
    if (!(target instanceof Set)) fail("the pickle adds to a value that is no set");
    for (const item of items) target.add(hashable(item));
  }

  setItems(items: readonly PickleValue[]): void {
    const target = this.top();
    if (!(target instanceof Map)) fail("the pickle sets items of a value that is no dict");
    if (items.length % 2) fail("a dict's keys and values do not pair up");
    for (let i = 0; i < items.length; i += 2) target.set(hashable(items[i]), items[i + 1]);
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    fail("the pickle has text that is not valid UTF-8");
  }
}

export function isTuple(value: PickleValue): value is readonly PickleValue[] {
  return Array.isArray(value) && Object.isFrozen(value);
}

export function isList(value: PickleValue): value is PickleValue[] {
  return Array.isArray(value) && !Object.isFrozen(value);
}

/** Refuses as a dict key or set member what Python does. Tuples and bytes are compared by identity here. */
export function hashable(value: PickleValue): PickleValue {
  if (isList(value) || value instanceof Map || value instanceof Set) fail("a list, dict or set is used as a dict key");
  return value;
}

function tuple(items: PickleValue[]): PickleValue {
  return Object.freeze(items);
}

function pairs(items: PickleValue[]): Map<PickleValue, PickleValue> {
  const map = new Map<PickleValue, PickleValue>();
  if (items.length % 2) fail("a dict's keys and values do not pair up");
  for (let i = 0; i < items.length; i += 2) map.set(hashable(items[i]), items[i + 1]);
  return map;
}

/** Bytes are copied: the file may be dropped, and a caller may write to what it got. */
function copied(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

function checkProtocol(version: number): void {
  if (version < 2 || version > 5) fail(`pickle protocol ${version} is not supported, only 2 to 5`);
}

/** What each opcode does, with Python's name for it. */
const opcodes: Readonly<Record<number, (machine: Machine) => void>> = Object.freeze({
  0x80: (m) => checkProtocol(m.byte()), // PROTO
  0x95: (m) => void m.uint64(), // FRAME: its length is a hint for streaming
  0x2e: (m) => void (m.stopped = true), // STOP
  0x28: (m) => m.mark(), // MARK
  0x30: (m) => m.drop(), // POP
  0x31: (m) => void m.popMark(), // POP_MARK
  0x32: (m) => m.push(m.top()), // DUP

  0x4e: (m) => m.push(null), // NONE
  0x88: (m) => m.push(true), // NEWTRUE
  0x89: (m) => m.push(false), // NEWFALSE
  0x4a: (m) => m.push(m.int32()), // BININT
  0x4b: (m) => m.push(m.byte()), // BININT1
  0x4d: (m) => m.push(m.uint16()), // BININT2
  0x8a: (m) => m.push(m.integer(m.byte())), // LONG1
  0x8b: (m) => m.push(m.integer(m.uint32())), // LONG4
  0x47: (m) => m.push(m.float64()), // BINFLOAT
  0x58: (m) => m.push(m.text(m.uint32())), // BINUNICODE
  0x8c: (m) => m.push(m.text(m.byte())), // SHORT_BINUNICODE
  0x8d: (m) => m.push(m.text(m.uint64())), // BINUNICODE8
  0x54: (m) => m.push(m.text(m.uint32())), // BINSTRING: Python 2 text
  0x55: (m) => m.push(m.text(m.byte())), // SHORT_BINSTRING
  0x42: (m) => m.push(copied(m.take(m.uint32()))), // BINBYTES
  0x43: (m) => m.push(copied(m.take(m.byte()))), // SHORT_BINBYTES
  0x8e: (m) => m.push(copied(m.take(m.uint64()))), // BINBYTES8
  0x96: (m) => m.push(copied(m.take(m.uint64()))), // BYTEARRAY8

  0x29: (m) => m.pushContainer(tuple([])), // EMPTY_TUPLE
  0x85: (m) => m.pushContainer(tuple(m.popSeveral(1))), // TUPLE1
  0x86: (m) => m.pushContainer(tuple(m.popSeveral(2))), // TUPLE2
  0x87: (m) => m.pushContainer(tuple(m.popSeveral(3))), // TUPLE3
  0x74: (m) => m.pushContainer(tuple(m.popMark())), // TUPLE
  0x5d: (m) => m.pushContainer([]), // EMPTY_LIST
  0x6c: (m) => m.pushContainer(m.popMark()), // LIST
  0x61: (m) => m.append([m.pop()]), // APPEND
  0x65: (m) => m.append(m.popMark()), // APPENDS
  0x7d: (m) => m.pushContainer(new Map()), // EMPTY_DICT
  0x64: (m) => m.pushContainer(pairs(m.popMark())), // DICT
  0x73: (m) => m.setItems(m.popSeveral(2)), // SETITEM
  0x75: (m) => m.setItems(m.popMark()), // SETITEMS
  0x8f: (m) => m.pushContainer(new Set()), // EMPTY_SET
  0x90: (m) => m.add(m.popMark()), // ADDITEMS
  0x91: (m) => m.pushContainer(new Set(m.popMark().map(hashable))), // FROZENSET

  0x71: (m) => m.remember(m.byte()), // BINPUT
  0x72: (m) => m.remember(m.uint32()), // LONG_BINPUT
  0x94: (m) => m.rememberNext(), // MEMOIZE
  0x68: (m) => m.recall(m.byte()), // BINGET
  0x6a: (m) => m.recall(m.uint32()), // LONG_BINGET

  0x63: (m) => m.pushGlobal(m.line(), m.line()), // GLOBAL
  0x93: (m) => m.pushStackGlobal(), // STACK_GLOBAL
  0x52: (m) => m.call(), // REDUCE
  0x81: (m) => m.call(), // NEWOBJ: cls.__new__(cls, *args), the same for the classes that are allowed
  0x62: (m) => m.build(), // BUILD
  0x51: (m) => m.pushPersistent(), // BINPERSID
});
