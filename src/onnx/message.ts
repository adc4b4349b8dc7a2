/**
 * Messages as tables: one entry per property of a record, which says the field's number and how its values are read and
 * written. A property without an entry does not compile. The tables are in schema.ts.
 */
import type { ByteRange } from "./bytes.ts";
import { refuse } from "./bytes.ts";
import type { OnnxInteger, OnnxText, UnknownField } from "./model.ts";
import type { WireReader } from "./wire-reader.ts";
import { decodeText } from "./wire-reader.ts";
import type { WireWriter } from "./wire-writer.ts";

/** How a kind of message is read (up to the end of the reader's current message) and written. */
export interface Message<T> {
  read(reader: WireReader): T;
  write(writer: WireWriter, value: T): void;
}

/** One property of a record. */
export interface Field<T> {
  readonly number: number;
  /** The value of a field that the file does not have. */
  absent(): T;
  /** The property after one more occurrence of the field. Lists may be changed and returned. */
  read(reader: WireReader, before: T): T;
  /** Writes what is to be written: nothing for most values that equal the absent one. */
  write(writer: WireWriter, value: T): void;
}

type Fields<T> = { readonly [K in keyof Omit<T, "unknownFields">]-?: Field<T[K]> };

/** The message with these fields; other fields are kept as they are. `fields` is called late, so that messages may nest. */
export function tableMessage<T extends { readonly unknownFields: readonly UnknownField[] }>(
  fields: () => Fields<T>,
): Message<T> {
  let entries: [string, Field<unknown>][] | null = null;
  let byNumber = new Map<number, [string, Field<unknown>]>();
  const prepare = () => {
    if (entries) return entries;
    entries = Object.entries(fields());
    byNumber = new Map(entries.map((entry) => [entry[1].number, entry]));
    return entries;
  };
  return {
    read(reader) {
      const record: Record<string, unknown> = {};
      for (const [key, field] of prepare()) record[key] = field.absent();
      const unknownFields: UnknownField[] = [];
      while (reader.next()) {
        const entry = byNumber.get(reader.fieldNumber);
        if (entry) record[entry[0]] = entry[1].read(reader, record[entry[0]]);
        else unknownFields.push(unknownField(reader));
      }
      record.unknownFields = unknownFields;
      return record as T;
    },
    write(writer, value) {
      for (const [key, field] of prepare()) field.write(writer, value[key as keyof T]);
      for (const { number, wireType, payload } of value.unknownFields) writer.rawField(number, wireType, payload);
    },
  };
}

function unknownField(reader: WireReader): UnknownField {
  return { number: reader.fieldNumber, wireType: reader.wireType, payload: reader.payload() };
}

/** A message whose record in the model is not its table. */
export function mappedMessage<Stored, T>(
  stored: Message<Stored>,
  decode: (stored: Stored, reader: WireReader) => T,
  encode: (value: T) => Stored,
): Message<T> {
  return {
    read: (reader) => decode(stored.read(reader), reader),
    write: (writer, value) => stored.write(writer, encode(value)),
  };
}

/** For fields that readers look for even where they hold the value that stands for "absent". */
interface Presence {
  readonly always?: boolean;
}

export function text(number: number, { always = false }: Presence = {}): Field<string> {
  return {
    number,
    absent: () => "",
    read: (reader) => reader.text(),
    write: (writer, value) => {
      if (always || value !== "") writer.textField(number, value);
    },
  };
}

/** Text for people: not a name, so it may be anything. */
export function prose(number: number): Field<string> {
  return { ...text(number), read: (reader) => reader.prose() };
}

export function texts(number: number): Field<readonly string[]> {
  return list(
    number,
    (reader) => reader.text(),
    (writer, value) => writer.textField(number, value),
  );
}

/** Byte strings that are mostly text. */
export function byteStrings(number: number): Field<readonly OnnxText[]> {
  return list(
    number,
    (reader) => decodeText(reader.bytes()),
    (writer, value) => writeByteString(writer, number, value),
  );
}

export function byteString(number: number): Field<OnnxText | null> {
  return {
    number,
    absent: () => null,
    read: (reader) => decodeText(reader.bytes()),
    write: (writer, value) => {
      if (value !== null) writeByteString(writer, number, value);
    },
  };
}

function writeByteString(writer: WireWriter, number: number, value: OnnxText): void {
  if (typeof value === "string") writer.textField(number, value);
  else writer.bytesField(number, value);
}

export function integer(number: number): Field<OnnxInteger | null> {
  return {
    number,
    absent: () => null,
    read: (reader) => (reader.expect(0), reader.integer()),
    write: (writer, value) => {
      if (value !== null) writer.varintField(number, value);
    },
  };
}

/** An integer that a number holds exactly; 0 if absent. */
export function smallInteger(number: number, { always = false }: Presence = {}): Field<number> {
  return {
    number,
    absent: () => 0,
    read: (reader) => {
      reader.expect(0);
      const value = reader.integer();
      return typeof value === "number" ? value : reader.fail(`field ${number} has the value ${value}`);
    },
    write: (writer, value) => {
      if (always || value !== 0) writer.varintField(number, value);
    },
  };
}

export function integers(number: number): Field<readonly OnnxInteger[]> {
  return packed(
    number,
    0,
    (reader) => reader.integer(),
    (writer, value) => writer.varint(value),
  );
}

export function float(number: number): Field<number | null> {
  return {
    number,
    absent: () => null,
    read: (reader) => (reader.expect(5), reader.float()),
    write: (writer, value) => {
      if (value !== null) writer.floatField(number, value);
    },
  };
}

export function floats(number: number): Field<readonly number[]> {
  return packed(
    number,
    5,
    (reader) => reader.float(),
    (writer, value) => writer.float(value),
  );
}

/** Where a byte string lies. */
export function range(number: number): Field<ByteRange | null> {
  return {
    number,
    absent: () => null,
    read: (reader) => (reader.expect(2), reader.payload()),
    write: (writer, value) => {
      if (value !== null) writer.rangesField(number, [value]);
    },
  };
}

/** Where the numbers of a list lie, of `wireType` each, packed or not. */
export function numberRanges(number: number, wireType: 0 | 1 | 5): Field<readonly ByteRange[]> {
  return {
    number,
    absent: () => [],
    read: (reader, before) => {
      if (reader.wireType !== 2) reader.expect(wireType);
      (before as ByteRange[]).push(reader.payload());
      return before;
    },
    write: (writer, value) => {
      if (value.length > 0) writer.rangesField(number, value);
    },
  };
}

export function message<T>(number: number, type: () => Message<T>): Field<T | null> {
  return {
    number,
    absent: () => null,
    read: (reader) => reader.message(() => type().read(reader)),
    write: (writer, value) => {
      if (value !== null) writer.messageField(number, (inner) => type().write(inner, value));
    },
  };
}

export function messages<T>(number: number, type: () => Message<T>): Field<readonly T[]> {
  return list(
    number,
    (reader) => reader.message(() => type().read(reader)),
    (writer, value) => writer.messageField(number, (inner) => type().write(inner, value)),
  );
}

/** Messages that are known by a key: a map in the order of the file. A key that comes twice is refused. */
export function keyed<Item, V>(
  number: number,
  type: () => Message<Item>,
  what: string,
  split: (item: Item) => [string, V],
  join: (key: string, value: V) => Item,
): Field<ReadonlyMap<string, V>> {
  return {
    number,
    absent: () => new Map(),
    read: (reader, before) => {
      const [key, value] = split(reader.message(() => type().read(reader)));
      if (before.has(key)) refuse(`the ${what} ${JSON.stringify(key)} is there twice`);
      (before as Map<string, V>).set(key, value);
      return before;
    },
    write: (writer, value) => {
      for (const [key, item] of value) {
        writer.messageField(number, (inner) => type().write(inner, join(key, item)));
      }
    },
  };
}

function list<T>(
  number: number,
  readOne: (reader: WireReader) => T,
  writeOne: (writer: WireWriter, value: T) => void,
): Field<readonly T[]> {
  return {
    number,
    absent: () => [],
    read: (reader, before) => {
      (before as T[]).push(readOne(reader));
      return before;
    },
    write: (writer, value) => {
      for (const item of value) writeOne(writer, item);
    },
  };
}

/** Numbers, which are written into one field. */
function packed<T>(
  number: number,
  wireType: 0 | 5,
  readOne: (reader: WireReader) => T,
  writeOne: (writer: WireWriter, value: T) => void,
): Field<readonly T[]> {
  return {
    number,
    absent: () => [],
    read: (reader, before) => {
      reader.numbers(wireType, () => (before as T[]).push(readOne(reader)));
      return before;
    },
    write: (writer, value) => {
      if (value.length === 0) return;
      writer.messageField(number, (inner) => {
        for (const item of value) writeOne(inner, item);
      });
    },
  };
}
