/**
 * The wasm kernels' memory: a stack of staging buffers. Kernels compute on what lies in wasm memory; every other array is
 * copied in and out, piece by piece. Pieces are chosen small (see the callers): a piece that is used while it is still in
 * the cache costs little more than reading it once, and the memory's size depends on the pieces, not on the tensors.
 *
 *     0         1 KiB                     top                          grown size
 *     │ scratch │ frame of the call       │ free                       │
 *
 * A frame ends with its call, whatever happens: nothing stays allocated between calls, so the memory grows to the largest
 * call's need once and then stays. Memory never shrinks; that is WebAssembly's rule. Growing detaches the buffer: views
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

/** Eight zeros for each of 32 columns: what sums start from. */
export const ZEROS_ADDRESS = 64;
/** Room for one tile of results. */
export const EDGE_ADDRESS = 512;
const STACK_START = 1024;

/** Not enough memory for this call. */
export class StagingError extends Error {}

/** An argument of a kernel call: an array, and its address if it lies in wasm memory already. */
export interface Operand {
  readonly array: Float32Array;
  readonly address: number | null;
}

export class WasmMemory {
  /** Only this class may grow it: asking the memory for its buffer is too slow to do at each use. */
  readonly memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAX_PAGES });
  #buffer = this.memory.buffer;
  #floats = new Float32Array(this.#buffer);
  #ints = new Int32Array(this.#buffer);
  #top = STACK_START;

  /** All of the memory. Ask again after anything was allocated. */
  get floats(): Float32Array {
    return this.#floats;
  }

  get ints(): Int32Array {
    return this.#ints;
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

  /** As {@link allocate}, if the operand has to be staged. */
  allocateFor(operand: Operand, count: number): number {
    return this.allocate(operand.address === null ? count : 0);
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
  copy(array: Float32Array): number {
    const operand = this.operand(array);
    return operand.address ?? this.read(operand, 0, array.length, this.allocate(array.length));
  }

  operand(array: Float32Array): Operand {
    return { array, address: array.buffer === this.#buffer ? array.byteOffset : null };
  }

  /** Where `count` elements from `from` on can be read: in place, or copied to `buffer`. */
  read(operand: Operand, from: number, count: number, buffer: number): number {
    if (operand.address !== null) return operand.address + 4 * from;
    this.floats.set(operand.array.subarray(from, from + count), buffer / 4);
    return buffer;
  }

  /** Where results for `operand` from element `from` on are to be written: in place, or to `buffer`; see {@link finish}. */
  target(operand: Operand, from: number, buffer: number): number {
    return operand.address === null ? buffer : operand.address + 4 * from;
  }

  /** Copies `count` results out of `buffer`, unless they were written in place. */
  finish(operand: Operand, from: number, count: number, buffer: number): void {
    if (operand.address !== null) return;
    operand.array.set(this.floats.subarray(buffer / 4, buffer / 4 + count), from);
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
  }
}
