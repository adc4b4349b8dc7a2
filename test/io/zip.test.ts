import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { looksLikeZip, openZip, writeZip } from "../../src/io/zip.ts";
import { expectDamageSurvived, expectRefused, expectTruncationsRefused } from "./hostile.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** Offsets of the first directory entry and the end record of an archive without comment. */
function landmarks(bytes: Uint8Array): { directory: number; end: number; view: DataView } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - 22;
  return { directory: view.getUint32(end + 16, true), end, view };
}

/** The archive with one field changed. */
function changed(bytes: Uint8Array, change: (at: ReturnType<typeof landmarks>) => void): Uint8Array {
  const copy = bytes.slice();
  change(landmarks(copy));
  return copy;
}

const readAll = (bytes: Uint8Array) => {
  const archive = openZip(bytes);
  return archive.names.map((name) => [name, archive.read(name)] as const);
};

describe("openZip", () => {
  const entries: [string, Uint8Array][] = [
    ["a.txt", text("hello hello hello hello")],
    ["folder/é", new Uint8Array(0)],
    ["zeros", new Uint8Array(5000)],
  ];
  const stored = writeZip(entries, false);
  const deflated = writeZip(entries, true);

  it("reads stored and deflated entries, and comments", () => {
    expect(readAll(stored)).toEqual(entries);
    expect(readAll(deflated)).toEqual(entries);
    expect(readAll(zipSync({ a: [text("x"), { comment: "about a" }] }, { comment: "about all" }))).toEqual([
      ["a", text("x")],
    ]);
    expect(openZip(zipSync({})).names).toEqual([]);
    expect([stored, zipSync({}), text("PK no")].map(looksLikeZip)).toEqual([true, true, false]);
  });

  const one = writeZip([["a", text("hello hello hello hello")]], false);
  const bomb = writeZip([["zeros", new Uint8Array(1 << 20)]], true);
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ["no archive", text("nothing like a zip archive at all"), /no end-of-directory record/],
    [
      "an encrypted entry",
      changed(one, ({ view, directory }) => view.setUint16(directory + 8, 1, true)),
      /is encrypted/,
    ],
    [
      "another method",
      changed(one, ({ view, directory }) => view.setUint16(directory + 10, 12, true)),
      /compression method 12/,
    ],
    [
      "two sizes",
      changed(one, ({ view, directory }) => view.setUint32(directory + 24, 5, true)),
      /two different sizes/,
    ],
    ["a damaged content", changed(one, ({ view }) => view.setUint8(40, 0)), /fails its checksum/],
    [
      "a header elsewhere",
      changed(one, ({ view, directory }) => view.setUint32(directory + 42, 1, true)),
      /no local header/,
    ],
    ["another local name", changed(one, ({ view }) => view.setUint8(30, 0x62)), /described differently/],
    [
      "a name that is no UTF-8",
      changed(one, ({ view, directory }) => view.setUint8(directory + 46, 0xff)),
      /not valid UTF-8/,
    ],
    [
      "more entries than fit",
      changed(one, ({ view, end }) => {
        view.setUint16(end + 8, 9, true);
        view.setUint16(end + 10, 9, true);
      }),
      /cannot hold 9 entries/,
    ],
    ["several volumes", changed(one, ({ view, end }) => view.setUint16(end + 4, 1, true)), /several volumes/],
    [
      "undeclared entries",
      changed(stored, ({ view, end }) => {
        view.setUint16(end + 8, 2, true);
        view.setUint16(end + 10, 2, true);
      }),
      /more entries than it declares/,
    ],
    [
      "64-bit sizes that are missing",
      changed(one, ({ view, end }) => view.setUint32(end + 16, 0xffffffff, true)),
      /64-bit/,
    ],
    [
      "a size beyond what deflate can reach",
      changed(bomb, ({ view, directory }) => view.setUint32(directory + 24, 0xfffffffe, true)),
      /more than its \d+ can inflate to/,
    ],
    [
      "a size that is too small",
      changed(bomb, ({ view, directory }) => view.setUint32(directory + 24, 1000, true)),
      /does not inflate to the 1000 bytes/,
    ],
    [
      "a size that is too large",
      changed(bomb, ({ view, directory }) => view.setUint32(directory + 24, (1 << 20) + 5, true)),
      /does not inflate to/,
    ],
  ];
  it.each(cases)("refuses %s", (_name, bytes, message) => expectRefused(() => readAll(bytes), message));

  it("refuses a name that is there twice", () => {
    const bytes = writeZip(
      [
        ["a", text("1")],
        ["b", text("2")],
      ],
      false,
    );
    const { directory, view } = landmarks(bytes);
    view.setUint8(directory + 46 + 47, 0x61);
    expectRefused(() => readAll(bytes), /entry "a" is there twice/);
  });

  it("refuses entries that overlap", () => {
    const bytes = writeZip(
      [
        ["a", text("1")],
        ["b", text("2")],
      ],
      false,
    );
    const { directory, view } = landmarks(bytes);
    view.setUint32(directory + 47 + 42, 0, true); // b begins where a does
    expectRefused(() => readAll(bytes), /described differently/);
    view.setUint32(directory + 20, 20, true); // a reaches into b
    view.setUint32(directory + 24, 20, true);
    view.setUint32(directory + 47 + 42, 32, true);
    expectRefused(() => readAll(bytes), /entry "b" overlaps the one before it/);
  });

  it("bounds what all entries inflate to", () => {
    expectRefused(
      () => openZip(bomb, { maxInflatedBytes: 1000 }),
      /would inflate to 1048576 bytes, over the limit of 1000/,
    );
  });

  it("refuses every truncation and survives damage", () => {
    for (const bytes of [stored, deflated]) {
      expectTruncationsRefused(bytes, readAll);
      expectDamageSurvived(bytes, readAll);
    }
  });
});
