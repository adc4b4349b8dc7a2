/**
 * The wasm kernels' memory: a stack of staging buffers. Kernels compute on what lies in wasm memory; every other array is
 * copied in and out, piece by piece. Pieces are chosen small (see the callers): a piece that is used while it is still in
 * the cache costs little more than reading it once, and the memory's size depends on the pieces, not on the tensors.
 *
 *     0         1 KiB           bottom                     top          grown size
 *     │ scratch │ packed weights │ frame of the call       │ free       │
 *
 * A frame ends with its call, whatever happens: nothing but packed weights stays allocated between calls, so the memory
 * grows to the largest call's need once and then stays. Memory never shrinks; that is WebAssembly's rule. Growing detaches the buffer: views
 * are made anew, and a caller who keeps arrays of his own in this memory must do the same ({@link WasmMemory.reserve}
 * avoids that). The limit is 4 GiB; a call that cannot get what it needs throws {@link StagingError}, and the caller
 * falls back to the reference.
 */

const PAGE_BYTES = 65536;
const INITIAL_PAGES = 64; // 4 MiB, untouched pages cost nothing
const MAX_PAGES = 65536;
const ALIGNMENT = 64; // a cache line
/** Kernels read (never write) up to this far past the end of a buffer, in columns that they drop. */
const SLACK_BYTES = 64;
/** What {@link WasmMemory.keep} gives out at most, before it starts again. */
const MAX_KEPT_BYTES = 256 * 2 ** 20;

/** Eight zeros for each of 32 columns: what sums start from. */
export const ZEROS_ADDRESS = 64;
/** Room for one tile of results. */
export const EDGE_ADDRESS = 512;
const STACK_START = 1024;

/** Not enough memory for this call. */
export class StagingError extends Error {}

/** Runs `body`, or `fallback` if the staging memory cannot hold what the call needs; nothing has been written by then. */
export function runOr(fallback: () => void, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof StagingError)) throw error;
    fallback();
  }
}

/** The arrays that can be staged. */
export type StagedArray = Float32Array | Int32Array | Uint8Array | Int8Array;

/** An argument of a kernel call: an array, and its address if it lies in wasm memory already. */
export interface Operand<T extends StagedArray = StagedArray> {
  readonly array: T;
  readonly address: number | null;
}

/** A place that {@link WasmMemory.keep} gave. */
export interface Kept {
  readonly address: number;
  readonly generation: number;
}

export class WasmMemory {
  /** Only this class may grow it: asking the memory for its buffer is too slow to do at each use. */
  readonly memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAX_PAGES });
  #buffer = this.memory.buffer;
  #floats = new Float32Array(this.#buffer);
  #ints = new Int32Array(this.#buffer);
  #bytes = new Uint8Array(this.#buffer);
  #signedBytes = new Int8Array(this.#buffer);
  #bottom = STACK_START;
  #top = STACK_START;
  #generation = 0;

  /** All of the memory. Ask again after anything was allocated. */
  get floats(): Float32Array {
    return this.#floats;
  }

  get ints(): Int32Array {
    return this.#ints;
  }

  get signedBytes(): Int8Array {
    return this.#signedBytes;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Runs one kernel call; what it allocates is free again afterwards. */
  frame(body: () => void): void {
    const bottom = this.#top;
    try {
      body();
    } finally {
      this.#top = bottom;
    }
  }

  /** Address of `count` 4-byte elements, uninitialized. */
  allocate(count: number): number {
    const address = this.#top;
    const end = address + 4 * count + SLACK_BYTES;
    this.#grow(end);
    this.#top = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    return address;
  }

  /** Address of `count` bytes, uninitialized. */
  allocateBytes(count: number): number {
    return this.allocate(Math.ceil(count / 4));
  }

  /** Room for `count` elements of the operand, if it has to be staged. */
  allocateFor(operand: Operand, count: number): number {
    return this.allocateBytes(operand.address === null ? count * operand.array.BYTES_PER_ELEMENT : 0);
  }

  /**
   * Room for `bytes` that stay when the call has ended, below all frames: packed weights. Nothing is given back: when it
   * is full, everything is forgotten ({@link holds}) and it fills anew. Null inside of a frame, and if it is too much.
   */
  keep(bytes: number): Kept | null {
    if (this.#top !== this.#bottom || bytes > MAX_KEPT_BYTES) return null;
    if (this.#bottom - STACK_START + bytes > MAX_KEPT_BYTES) {
      this.#top = STACK_START;
      this.#generation++;
    }
    const address = this.allocateBytes(bytes);
    this.#bottom = this.#top;
    return { address, generation: this.#generation };
  }

  /** Whether kept bytes are still there. */
  holds(kept: Kept): boolean {
    return kept.generation === this.#generation;
  }

  /** Makes sure that `bytes` are free, so that later calls of that size do not grow the memory. */
  reserve(bytes: number): void {
    this.#grow(this.#top + bytes);
  }

  /** Allocates and fills a table of 32-bit integers. */
  table(values: Int32Array): number {
    const address = this.allocate(values.length);
    this.ints.set(values, address / 4);
    return address;
  }

  /** Address of a whole array: where it lies, or a copy. */
  copy(array: StagedArray): number {
    const operand = this.operand(array);
    return operand.address ?? this.read(operand, 0, array.length, this.allocate(array.length));
  }

  operand<T extends StagedArray>(array: T): Operand<T> {
    return { array, address: array.buffer === this.#buffer ? array.byteOffset : null };
  }

  /** Where `count` elements from `from` on can be read: in place, or copied to `buffer`. */
  read({ array, address }: Operand, from: number, count: number, buffer: number): number {
    const size = array.BYTES_PER_ELEMENT;
    if (address !== null) return address + size * from;
    this.#viewFor(array).set(array.subarray(from, from + count), buffer / size);
    return buffer;
  }

  /** Where results for `operand` from element `from` on are to be written: in place, or to `buffer`; see {@link finish}. */
  target({ array, address }: Operand, from: number, buffer: number): number {
    return address === null ? buffer : address + array.BYTES_PER_ELEMENT * from;
  }

  /** Copies `count` results out of `buffer`, unless they were written in place. */
  finish(operand: Operand, from: number, count: number, buffer: number): void {
    if (operand.address === null) this.write(operand, from, count, buffer);
  }

  /** Copies `count` results out of `buffer`, for kernels that do not write in place. */
  write({ array, address }: Operand, from: number, count: number, buffer: number): void {
    const size = array.BYTES_PER_ELEMENT;
    if (address !== null) {
      this.#bytes.copyWithin(address + size * from, buffer, buffer + size * count);
      return;
    }
    array.set(this.#viewFor(array).subarray(buffer / size, buffer / size + count), from);
  }

  #viewFor(array: StagedArray): StagedArray {
    if (array instanceof Float32Array) return this.#floats;
    if (array instanceof Uint8Array) return this.#bytes;
    return array instanceof Int8Array ? this.#signedBytes : this.#ints;
  }

  #grow(bytes: number): void {
    const missing = bytes - this.#buffer.byteLength;
    if (missing <= 0) return;
    try {
      this.memory.grow(Math.ceil(missing / PAGE_BYTES));
    } catch {
      throw new StagingError(`wasm kernels: cannot grow the staging memory to ${bytes} bytes`);
    }
    this.#buffer = this.memory.buffer;
    this.#floats = new Float32Array(this.#buffer);
    this.#ints = new Int32Array(this.#buffer);
    this.#bytes = new Uint8Array(this.#buffer);
    this.#signedBytes = new Int8Array(this.#buffer);
  }
}
