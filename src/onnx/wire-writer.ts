/**
 * Writes the wire format of protocol buffers. Large byte strings are not copied: the result is a list of pieces, some of
 * them ranges of other files, which are read when the pieces are written.
 */
import { OctetError } from "../core/errors.ts";
import type { ByteRange } from "./bytes.ts";
import { rangeLength, readInSteps } from "./bytes.ts";
import type { OnnxInteger, WireType } from "./model.ts";

const utf8 = new TextEncoder();

/** Byte strings up to this length are copied into the stretch of small values around them. */
const SMALL = 256;

export class WireWriter {
  /** Bytes written. */
  size = 0;
  private readonly pieces: (Uint8Array | ByteRange)[] = [];
  /** Small values, not yet among the pieces. */
  private tail = new Uint8Array(64);
  private used = 0;
  private readonly scratch = new DataView(new ArrayBuffer(4));

  varintField(number: number, value: OnnxInteger): void {
    this.tag(number, 0);
    this.varint(value);
  }

  floatField(number: number, value: number): void {
    this.tag(number, 5);
    this.float(value);
  }

  textField(number: number, value: string): void {
    if (/[\ud800-\udfff]/u.test(value)) {
      throw new OctetError(`onnx: ${JSON.stringify(value)} has half a surrogate pair, which UTF-8 cannot store`);
    }
    this.bytesField(number, utf8.encode(value));
  }

  bytesField(number: number, value: Uint8Array): void {
    this.tag(number, 2);
    this.varint(value.length);
    this.append(value);
  }

  /** One length-delimited field out of ranges that follow each other. */
  rangesField(number: number, ranges: readonly ByteRange[]): void {
    this.tag(number, 2);
    this.varint(ranges.reduce((sum, range) => sum + rangeLength(range), 0));
    for (const range of ranges) this.append(range);
  }

  /** A length-delimited field with what `body` writes. */
  messageField(number: number, body: (inner: WireWriter) => void): void {
    const inner = new WireWriter();
    body(inner);
    this.tag(number, 2);
    this.varint(inner.size);
    inner.flush();
    for (const piece of inner.pieces) this.append(piece);
  }

  /** A field as it was read. */
  rawField(number: number, wireType: WireType, payload: ByteRange): void {
    if (wireType === 2) return this.rangesField(number, [payload]);
    this.tag(number, wireType);
    this.append(payload);
  }

  /** A signed integer of 64 bits: negative ones take ten bytes. */
  varint(value: OnnxInteger): void {
    if (typeof value === "bigint" || value < 0) return this.wideVarint(BigInt(value));
    if (!Number.isSafeInteger(value)) throw new OctetError(`onnx: ${value} is not a whole number that can be stored`);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    this.byte(rest);
  }

  float(value: number): void {
    this.scratch.setFloat32(0, value, true);
    for (let i = 0; i < 4; i++) this.byte(this.scratch.getUint8(i));
  }

  /** All that was written, in pieces. */
  *output(): Generator<Uint8Array> {
    this.flush();
    for (const piece of this.pieces) {
      if (piece instanceof Uint8Array) yield piece;
      else yield* readInSteps(piece);
    }
  }

  private wideVarint(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw new OctetError(`onnx: ${value} does not fit into 64 bits`);
    let rest = BigInt.asUintN(64, value);
    for (; rest >= 0x80n; rest >>= 7n) this.byte(Number(rest & 0x7fn) | 0x80);
    this.byte(Number(rest));
  }

  private tag(number: number, wireType: WireType): void {
    this.varint(number * 8 + wireType);
  }

  private byte(value: number): void {
    this.reserve(1);
    this.tail[this.used++] = value;
    this.size++;
  }

  private append(piece: Uint8Array | ByteRange): void {
    const length = piece instanceof Uint8Array ? piece.length : rangeLength(piece);
    this.size += length;
    if (piece instanceof Uint8Array && length <= SMALL) {
      this.reserve(length);
      this.tail.set(piece, this.used);
      this.used += length;
    } else if (length > 0) {
      this.flush();
      this.pieces.push(piece);
    }
  }

  private reserve(length: number): void {
    if (this.used + length <= this.tail.length) return;
    const larger = new Uint8Array(Math.max(2 * this.tail.length, this.used + length));
    larger.set(this.tail.subarray(0, this.used));
    this.tail = larger;
  }

  /** Moves the small values to the pieces. */
  private flush(): void {
    if (this.used === 0) return;
    this.pieces.push(this.tail.subarray(0, this.used));
    this.tail = new Uint8Array(64);
    this.used = 0;
  }
}
