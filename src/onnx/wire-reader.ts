/**
 * Reads the wire format of protocol buffers from a source that need not fit in memory: a window moves over the source, and
 * byte strings are passed over, only their position is noted. Knows tags, varints and nesting; what the fields mean is in
 * schema.ts. Format: https://protobuf.dev/programming-guides/encoding/
 */
import type { ByteRange, ByteSource } from "./bytes.ts";
import { refuse } from "./bytes.ts";
import type { ExternalFiles } from "./external.ts";
import type { OnnxInteger, OnnxText, WireType } from "./model.ts";

/** Messages inside messages; protocol buffers' own limit. A subgraph takes three levels. */
const MAX_DEPTH = 100;
const WINDOW = 2 ** 16;
/** Bytes of text in one field: engines cannot make longer strings. */
const MAX_TEXT = 2 ** 28;
/** The longest value that is not a byte string: a varint of 64 bits. */
const MAX_SCALAR = 10;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export class WireReader {
  readonly source: ByteSource;
  /** Where tensors with external data find it; null if nowhere. */
  readonly externalFiles: ExternalFiles | null;
  /** Of the field that {@link next} found. */
  fieldNumber = 0;
  wireType: WireType = 0;
  private position = 0;
  /** End of the message that is being read. */
  private limit: number;
  private depth = 0;
  private window: Uint8Array = new Uint8Array(0);
  private windowBegin = 0;
  /** The words of the last {@link integer}, each 0 to 2^32 − 1. */
  low = 0;
  high = 0;

  constructor(source: ByteSource, externalFiles: ExternalFiles | null = null) {
    this.source = source;
    this.externalFiles = externalFiles;
    this.limit = source.size;
  }

  /** Refuses the file; the message says where. */
  fail(message: string): never {
    refuse(`byte ${this.position}: ${message}`);
  }

  /** True at the end of the current message. */
  get isDone(): boolean {
    return this.position === this.limit;
  }

  /** Reads the next tag of the current message; false at its end. The value must be read or skipped then. */
  next(): boolean {
    if (this.isDone) return false;
    this.varint();
    const wireType = this.low & 7;
    this.fieldNumber = this.high * 2 ** 29 + (this.low >>> 3);
    if (this.fieldNumber === 0 || this.fieldNumber >= 2 ** 29) this.fail(`${this.fieldNumber} is no field number`);
    if (wireType !== 0 && wireType !== 1 && wireType !== 2 && wireType !== 5) {
      this.fail(`field ${this.fieldNumber} has the wire type ${wireType}, which ONNX does not use`);
    }
    this.wireType = wireType;
    return true;
  }

  /** Fails unless the current field is of this wire type. */
  expect(wireType: WireType): void {
    if (this.wireType !== wireType) {
      this.fail(`field ${this.fieldNumber} has the wire type ${this.wireType} instead of ${wireType}`);
    }
  }

  /** A signed 64-bit integer. */
  integer(): OnnxInteger {
    this.varint();
    const value = (this.high | 0) * 2 ** 32 + this.low;
    return Number.isSafeInteger(value) ? value : BigInt.asIntN(64, (BigInt(this.high) << 32n) + BigInt(this.low));
  }

  float(): number {
    return this.fixed(4).getFloat32(0, true);
  }

  /** Where the value of the current field is, without its tag and length; moves past it. */
  payload(): ByteRange {
    const length = this.wireType === 2 ? this.length() : 0;
    const begin = this.position;
    if (this.wireType === 0) this.varint();
    else this.advance(this.wireType === 1 ? 8 : this.wireType === 5 ? 4 : length);
    return { source: this.source, begin, end: this.position };
  }

  /** The bytes of a length-delimited field, a copy. */
  bytes(): Uint8Array {
    return this.content().slice();
  }

  /** UTF-8; invalid text is refused, because names that differ must stay different. */
  text(): string {
    const text = decodeText(this.content());
    return typeof text === "string" ? text : this.fail(`field ${this.fieldNumber} is not valid UTF-8`);
  }

  /** Text for people, in which invalid bytes are replaced. */
  prose(): string {
    return lenientUtf8.decode(this.content());
  }

  /** Runs `body` inside the message that is the value of the current field. */
  message<T>(body: () => T): T {
    const outer = this.limit;
    if (++this.depth > MAX_DEPTH) this.fail(`messages are nested more than ${MAX_DEPTH} deep`);
    const length = this.length();
    this.limit = this.position + length;
    const result = body();
    this.limit = outer;
    this.depth--;
    return result;
  }

  /** Runs `readOne` for each number of a list, whether it is packed into one field or has a field for each. */
  numbers(wireType: 0 | 5, readOne: () => void): void {
    if (this.wireType !== 2) {
      this.expect(wireType);
      readOne();
      return;
    }
    this.message(() => {
      while (!this.isDone) readOne();
    });
  }

  /** The length of the current field, which must lie within its message. */
  private length(): number {
    this.expect(2);
    this.varint();
    const length = this.high * 2 ** 32 + this.low;
    const left = this.limit - this.position;
    if (length > left) this.fail(`field ${this.fieldNumber} says ${length} bytes, but only ${left} are left`);
    return length;
  }

  /** The bytes of a length-delimited field, in the window or read for the purpose. */
  private content(): Uint8Array {
    const length = this.length();
    const begin = this.position;
    if (length > MAX_TEXT) this.fail(`field ${this.fieldNumber} is a text of ${length} bytes`);
    this.position += length;
    if (length > WINDOW) return this.source.read(begin, begin + length);
    this.fill(begin, length);
    return this.window.subarray(begin - this.windowBegin, begin - this.windowBegin + length);
  }

  private fixed(size: 4 | 8): DataView {
    const begin = this.position;
    this.advance(size);
    this.fill(begin, size);
    return new DataView(this.window.buffer, this.window.byteOffset + begin - this.windowBegin, size);
  }

  private advance(length: number): void {
    if (length > this.limit - this.position) this.fail(`field ${this.fieldNumber} ends early`);
    this.position += length;
  }

  /** Reads up to 64 bits into {@link low} and {@link high}. */
  private varint(): void {
    this.fill(this.position, Math.min(MAX_SCALAR, this.limit - this.position));
    const base = this.position - this.windowBegin;
    const available = Math.min(MAX_SCALAR, this.limit - this.position);
    this.low = this.high = 0;
    for (let i = 0; i < available; i++) {
      const byte = this.window[base + i];
      const bits = byte & 0x7f;
      // Seven bits a byte: the fifth one straddles the words.
      if (i < 4) this.low |= bits << (7 * i);
      else if (i === 4) [this.low, this.high] = [this.low | (bits << 28), bits >>> 4];
      else this.high |= bits << (7 * i - 32);
      if (byte < 0x80) {
        this.low >>>= 0;
        this.high >>>= 0;
        this.position += i + 1;
        return;
      }
    }
    this.fail(available < MAX_SCALAR ? "a number ends early" : "a number has more than ten bytes");
  }

  /** Moves the window so that it holds `length` bytes from `begin`. */
  private fill(begin: number, length: number): void {
    if (begin >= this.windowBegin && begin + length <= this.windowBegin + this.window.length) return;
    this.window = this.source.read(begin, Math.min(begin + WINDOW, this.source.size));
    this.windowBegin = begin;
  }
}

/** Text where the bytes are valid UTF-8, else a copy of the bytes. */
export function decodeText(bytes: Uint8Array): OnnxText {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return bytes.slice();
  }
}
