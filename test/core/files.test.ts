import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FileFormatError, OctetError } from "../../src/core/errors.ts";
import { parseFile, readFile, writeFileAtomic } from "../../src/core/files.ts";

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "octet-io-"))));
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

describe("readFile", () => {
  it("reads files of any content", () => {
    const path = join(folder, "data");
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0, 255, 10)]) {
      writeFileSync(path, bytes);
      expect(readFile(path)).toEqual(bytes);
    }
  });

  it("says what is wrong with a path", () => {
    expect(() => readFile(join(folder, "absent"))).toThrow(/^cannot read ".*absent": no such file or folder$/);
    expect(() => readFile(folder)).toThrow(/^cannot read ".*": it is a folder$/);
    writeFileSync(join(folder, "file"), "");
    expect(() => readFile(join(folder, "file", "x"))).toThrow(/: part of the path is not a folder$/);
  });

  it("sends a browser to the bytes", () => {
    vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined as never);
    const message = 'cannot open "x.pt": files can only be read by path in Node; pass the bytes instead';
    expect(() => readFile("x.pt")).toThrow(new OctetError(message));
    expect(() => writeFileAtomic("x.pt", new Uint8Array(1))).toThrow(OctetError);
  });
});

describe("writeFileAtomic", () => {
  it("replaces a file and leaves nothing beside it", () => {
    const path = join(folder, "data");
    writeFileAtomic(path, Uint8Array.of(1, 2));
    writeFileAtomic(path, Uint8Array.of(3));
    expect([...readFileSync(path)]).toEqual([3]);
    expect(readdirSync(folder)).toEqual(["data"]);
  });

  it("removes its temporary file when it fails", () => {
    mkdirSync(join(folder, "taken"));
    expect(() => writeFileAtomic(join(folder, "taken"), Uint8Array.of(1))).toThrow(
      /^cannot write ".*taken": it is a folder$/,
    );
    expect(readdirSync(folder)).toEqual(["taken"]);
    expect(() => writeFileAtomic(join(folder, "absent", "x"), Uint8Array.of(1))).toThrow(/: no such file or folder$/);
  });
});

describe("parseFile", () => {
  it("names the file in format errors, and only in those", () => {
    const path = join(folder, "data");
    writeFileSync(path, "x");
    const failWith = (error: Error) => () =>
      parseFile(path, () => {
        throw error;
      });
    expect(failWith(new FileFormatError("npy: broken"))).toThrow(new FileFormatError(`${path}: npy: broken`));
    expect(failWith(new TypeError("a bug"))).toThrow(new TypeError("a bug"));
  });
});
