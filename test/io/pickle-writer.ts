/** Writes pickles by hand, opcode by opcode, and wraps them as checkpoints: what torch.save would never write. */
import { writeZip } from "../../src/io/zip.ts";

export type Part = number | string | Uint8Array | readonly Part[];

const utf8 = (text: string) => new TextEncoder().encode(text);

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** Bytes from opcodes (a number is one byte, a string its characters) and nested parts. */
export function bytesOf(...parts: readonly Part[]): Uint8Array {
  const out: number[] = [];
  const add = (part: Part): void => {
    if (typeof part === "number") out.push(part);
    else if (typeof part === "string") add(utf8(part));
    else if (part instanceof Uint8Array) for (const byte of part) out.push(byte);
    else for (const inner of part) add(inner);
  };
  add(parts);
  return Uint8Array.from(out);
}

export const repeat = (count: number, part: Part): Part[] => Array.from({ length: count }, () => part);
export const text = (value: string): Part => ["X", uint32(utf8(value).length), value];
export const whole = (value: number): Part => ["J", uint32(value)];
/** A whole number of up to 8 bytes, little-endian. */
export const long = (value: bigint): Part => [
  0x8a,
  9,
  ...Array.from({ length: 9 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n)),
];
export const global = (module: string, name: string): Part => `c${module}\n${name}\n`;
export const tuple = (...items: readonly Part[]): Part => ["(", ...items, "t"];
export const list = (...items: readonly Part[]): Part => ["](", ...items, "e"];
export const dict = (...pairs: readonly (readonly [Part, Part])[]): Part => ["}(", ...pairs, "u"];
export const call = (callee: Part, ...args: readonly Part[]): Part => [callee, tuple(...args), "R"];
export const put = (index: number): Part => ["r", uint32(index)];
export const get = (index: number): Part => ["j", uint32(index)];
export const pickle = (...parts: readonly Part[]): Uint8Array => bytesOf(0x80, 2, parts, ".");

export const storage = (key: string, length: Part, storageClass = "FloatStorage"): Part => [
  tuple(text("storage"), global("torch", storageClass), text(key), text("cpu"), length),
  "Q",
];

export interface TensorParts {
  readonly storage?: Part;
  readonly offset?: Part;
  readonly size?: Part;
  readonly stride?: Part;
  readonly rest?: Part;
}

/** A call of _rebuild_tensor_v2: by default four float32 of storage "0" as [2, 2]. */
export function tensor(parts: TensorParts = {}): Part {
  return [
    global("torch._utils", "_rebuild_tensor_v2"),
    "(",
    parts.storage ?? storage("0", whole(4)),
    parts.offset ?? whole(0),
    parts.size ?? tuple(whole(2), whole(2)),
    parts.stride ?? tuple(whole(2), whole(1)),
    parts.rest ?? [0x89, call(global("collections", "OrderedDict"))],
    "tR",
  ];
}

/** A zip checkpoint of a pickle and storages (by default four float32 numbers as "0"). */
export function checkpoint(
  data: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = { 0: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) },
  more: Readonly<Record<string, Uint8Array>> = {},
): Uint8Array {
  const entries: [string, Uint8Array][] = [["archive/data.pkl", data]];
  for (const [key, bytes] of Object.entries(storages)) entries.push([`archive/data/${key}`, bytes]);
  for (const [name, bytes] of Object.entries(more)) entries.push([`archive/${name}`, bytes]);
  return writeZip(entries, false);
}

/** The pickles before the object in a legacy checkpoint. */
export const legacyHeader = bytesOf(
  pickle([0x8a, 10], Uint8Array.of(0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19)),
  pickle("M", 0xe9, 0x03),
  pickle(dict([text("little_endian"), 0x88])),
);
