import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FileFormatError, OctetError } from "../../src/core/errors.ts";
import {
  isInside,
  openForParts,
  parseFile,
  readFile,
  writeFileAtomic,
  writeFilesAtomic,
} from "../../src/core/files.ts";

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

describe("writeFilesAtomic", () => {
  it("writes all files, in pieces that may come from those it replaces", () => {
    const [first, second] = ["a", "b"].map((name) => join(folder, name));
    writeFileSync(first, Uint8Array.of(1, 2, 3));
    const parts = openForParts(first);
    writeFilesAtomic([
      { path: first, pieces: [Uint8Array.of(9), parts.read(1, 3)] },
      { path: second, pieces: [parts.read(0, 1)] },
    ]);
    expect([[...readFileSync(first)], [...readFileSync(second)]]).toEqual([[9, 2, 3], [1]]);
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
  });

  it("leaves all as it was where a piece fails", () => {
    const path = join(folder, "a");
    writeFileSync(path, "old");
    function* failing(): Generator<Uint8Array> {
      yield Uint8Array.of(1);
      throw new OctetError("no more");
    }
    const files = [
      { path, pieces: [Uint8Array.of(1)] },
      { path: join(folder, "b"), pieces: failing() },
    ];
    expect(() => writeFilesAtomic(files)).toThrow("no more");
    expect(readdirSync(folder)).toEqual(["a"]);
    expect(readFileSync(path, "utf8")).toBe("old");
  });
});

describe("openForParts", () => {
  it("reads ranges, until the file changes", () => {
    const path = join(folder, "data");
    writeFileSync(path, Uint8Array.of(1, 2, 3, 4));
    const parts = openForParts(path);
    expect([parts.size, [...parts.read(1, 3)], parts.read(4, 4).length]).toEqual([4, [2, 3], 0]);
    writeFileSync(path, Uint8Array.of(1, 2, 3, 4, 5));
    expect(() => parts.read(0, 1)).toThrow(
      /^cannot read ".*data": it was changed after it had been opened; open it again$/,
    );
    expect(() => openForParts(folder)).toThrow(/: it is not an ordinary file$/);
  });
});

describe("isInside", () => {
  it.each([
    ["/a/b", "/a/b/c", true],
    ["/a/b", "/a/b/..c/d", true],
    ["/a/b", "/a/b", false],
    ["/a/b", "/a/bc", false],
    ["/a/b", "/a", false],
    ["/", "/x", true],
  ])("%s, %s: %s", (outer, path, inside) => {
    expect(isInside(outer, path)).toBe(inside);
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
