import { describe, expect, it } from "vitest";
import { readCheckpoint } from "../../src/io/checkpoint.ts";
import type { PickleValue } from "../../src/io/pickle-values.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { expectDamageSurvived, expectRefused, expectTruncationsRefused, golden } from "./hostile.ts";
import { writeZip } from "../../src/io/zip.ts";
import * as p from "./pickle-writer.ts";

/** Reads a zip checkpoint around a pickle of these parts. */
const read = (...parts: readonly p.Part[]): PickleValue => readCheckpoint(p.checkpoint(p.pickle(...parts)));

const none = 0x4e;

describe("code in a checkpoint", () => {
  const wording = "only tensors, numbers, strings and containers are loaded; nothing was executed";

  it.each([
    ["malicious-system.pt", "posix.system"],
    ["malicious-eval.pt", "__builtin__.eval"],
    ["malicious-legacy.pt", "__builtin__.eval"],
    ["malicious-raw.pt", "posix.system"],
  ])("%s is refused by name", (file, name) => {
    expect(() => readCheckpoint(golden(file))).toThrow(`checkpoint: refuses class "${name}": ${wording}`);
  });

  it.each([
    ["os", "system"],
    ["builtins", "eval"],
    ["builtins", "getattr"],
    ["__builtin__", "__import__"],
    ["torch", "load"],
    ["torch.hub", "load"],
    ["torch._utils", "_rebuild_tensor_v2.__globals__"],
    ["collections", "OrderedDict.__init__"],
    ["", "constructor"],
    ["torch", "__proto__"],
    ["constructor", "constructor"],
  ])("%s.%s is refused", (module, name) => {
    expect(() => read(p.call(p.global(module, name), p.text("x")))).toThrow(
      `refuses class "${module}.${name}": ${wording}`,
    );
    expectRefused(() => read(p.text(module), p.text(name), 0x93, ")R"), /refuses class/);
  });

  it("keeps refusals to one short line", () => {
    expectRefused(
      () => read(p.text("a\nb"), p.text("x".repeat(10_000)), 0x93),
      /^checkpoint: refuses class "a\\nb\.x{100,200}…": /,
    );
  });

  it("says what to do about a whole module, a complex tensor, a TorchScript archive", () => {
    expectRefused(
      () => readCheckpoint(golden("module.pt")),
      /refuses class "torch\.nn\.modules\.linear\.Linear".*save model\.state_dict\(\)/,
    );
    expectRefused(() => readCheckpoint(golden("complex.pt")), /complex tensors are not supported/);
    expectRefused(() => readCheckpoint(golden("torchscript.pt")), /TorchScript archive.*save model\.state_dict\(\)/);
  });

  it("cannot call what is no function", () => {
    expectRefused(() => read(p.call(p.text("x"))), /calls a value that is no class/);
    expectRefused(() => read(p.call(p.global("torch", "bfloat16"))), /calls torch\.bfloat16, which makes no value/);
    expectRefused(() => read(p.call(p.global("torch", "FloatStorage"), p.whole(1 << 30))), /makes no value/);
    expectRefused(
      () => read(p.global("collections", "OrderedDict"), "]R"),
      /arguments of collections\.OrderedDict are no tuple/,
    );
  });

  it("cannot set attributes on anything but an OrderedDict", () => {
    for (const target of ["}", "]", p.tensor(), p.global("torch", "Tensor")]) {
      expectRefused(() => read(target, p.dict([p.text("x"), none]), "b"), /sets attributes on a value that has none/);
    }
    expectRefused(
      () => read(p.call(p.global("collections", "OrderedDict")), "]b"),
      /attributes of an OrderedDict are no dict/,
    );
  });
});

describe("tensors in a checkpoint", () => {
  const big = p.long(2n ** 52n);
  const cases: readonly [string, p.TensorParts, RegExp][] = [
    ["a storage that is too short", { size: p.tuple(p.whole(3), p.whole(2)) }, /need 6 elements, it has 4/],
    ["an offset past the end", { offset: p.whole(1) }, /offset 1 need 5 elements, it has 4/],
    ["a negative offset", { offset: p.whole(-1) }, /has offset -1/],
    ["an offset that is a string", { offset: p.text("0") }, /has offset "0"/],
    ["an offset of 2^64", { offset: p.long(2n ** 64n) }, /has offset 18446744073709551616/],
    ["a negative size", { size: p.tuple(p.whole(-2), p.whole(-2)) }, /size or stride of -2/],
    ["a negative stride", { stride: p.tuple(p.whole(-2), p.whole(1)) }, /size or stride of -2/],
    ["a fractional size", { size: p.tuple(["G", 0x3f, 0xe0, 0, 0, 0, 0, 0, 0], p.whole(1)) }, /size or stride of 0\.5/],
    ["an enormous stride", { stride: p.tuple(big, big) }, /reaches past its end/],
    ["sizes that overflow", { size: p.tuple(big, big) }, /invalid size/],
    [
      "an enormous broadcast",
      { size: p.tuple(big, p.whole(1)), stride: p.tuple(p.whole(0), p.whole(0)) },
      /invalid size/,
    ],
    [
      "an empty tensor past the end",
      { size: p.tuple(p.whole(0), p.whole(1)), offset: p.whole(9) },
      /reaches past its end/,
    ],
    ["ranks that differ", { stride: p.tuple(p.whole(1)) }, /no valid size and stride/],
    ["a size that is a list", { size: p.list(p.whole(2), p.whole(2)) }, /no valid size and stride/],
    [
      "rank 65",
      { size: p.tuple(...p.repeat(65, "K\u0001")), stride: p.tuple(...p.repeat(65, "K\u0001")) },
      /no valid size/,
    ],
    ["no storage", { storage: p.text("0") }, /a tensor has no storage/],
    ["a storage that is missing", { storage: p.storage("9", p.whole(4)) }, /storage "9" is missing/],
    [
      "a storage with a path",
      { storage: p.storage("../data.pkl", p.whole(4)) },
      /storage "\.\.\/data\.pkl" is missing/,
    ],
    [
      "a storage of another length",
      { storage: p.storage("0", p.whole(5)) },
      /has 16 bytes, not the 20 that the pickle says/,
    ],
    ["a storage of length 2^52", { storage: p.storage("0", big) }, /has 16 bytes, not the 18014398509481984/],
    ["a storage of negative length", { storage: p.storage("0", p.whole(-4)) }, /storage "0" has length -4/],
    ["a storage class that is a dtype", { storage: p.storage("0", p.whole(4), "float32") }, /no known class/],
    ["lazy negation", { rest: [0x89, none, p.dict([p.text("neg"), 0x88])] }, /lazily conjugated or negated/],
    [
      "integers with gradients",
      { storage: p.storage("0", p.whole(4), "IntStorage"), rest: [0x88, none] },
      /int32 requires a gradient/,
    ],
  ];
  it.each(cases)("%s", (_name, parts, message) => expectRefused(() => read(p.tensor(parts)), message));

  it("are read when nothing is wrong with them", () => {
    expect((read(p.tensor()) as Tensor).tolist()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    const broadcast = read(p.tensor({ stride: p.tuple(p.whole(0), p.whole(0)), offset: p.whole(3) }));
    expect((broadcast as Tensor).tolist()).toEqual([
      [4, 4],
      [4, 4],
    ]);
  });

  it("may not use one storage as two types", () => {
    expectRefused(
      () => read(p.list(p.tensor(), p.tensor({ storage: p.storage("0", p.whole(4), "IntStorage") }))),
      /storage "0" is used as F32 and as I32/,
    );
  });

  it("obey the byte order of the archive", () => {
    const bytes = Uint8Array.of(0x3f, 0x80, 0, 0, 0x40, 0, 0, 0, 0x40, 0x40, 0, 0, 0x40, 0x80, 0, 0);
    const file = (order: string) =>
      p.checkpoint(p.pickle(p.tensor()), { 0: bytes }, { byteorder: new TextEncoder().encode(order) });
    expect((readCheckpoint(file("big")) as Tensor).tolist()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expectRefused(() => readCheckpoint(file("middle")), /byte order is "middle"/);
  });
});

describe("pickles that grow", () => {
  it("declare lengths that are not there", () => {
    for (const opcode of ["X", "B", "T"])
      expectRefused(() => read(opcode, Uint8Array.of(255, 255, 255, 127)), /2147483647 bytes are wanted/);
    for (const opcode of [0x8d, 0x8e, 0x96])
      expectRefused(() => read(opcode, new Uint8Array(8).fill(255)), /truncated/);
    expectRefused(() => read(0x8b, Uint8Array.of(255, 255, 255, 127)), /integer of 2147483647 bytes is over the limit/);
    expectRefused(() => read(p.text("x"), "r", Uint8Array.of(255, 255, 255, 255), "h\u0001"), /recalls value 1/);
  });

  it("share lists (a billion laughs cost nothing, as nothing walks them)", () => {
    const levels = Array.from({ length: 200 }, (_, i) => [p.list(...p.repeat(10, p.get(i))), p.put(i + 1), "0"]);
    const laughs = ["]", p.put(0), "0", levels];
    let value = read(laughs, p.get(200));
    for (let depth = 0; depth < 200; depth++) value = (value as PickleValue[])[9];
    expect(value).toEqual([]);
    // As an argument where a number belongs, it appears in an error message: that must not walk it either.
    expectRefused(() => read(laughs, p.tensor({ offset: p.get(200) })), /has offset \(a list\)/);
  });

  it("contain themselves", () => {
    const value = read("]", p.put(0), p.get(0), "a") as PickleValue[];
    expect(value[0]).toBe(value);
    expectRefused(
      () => read("]", p.put(0), p.get(0), "a", p.put(1), "0", p.tensor({ offset: p.get(1) })),
      /has offset \(a list\)/,
    );
  });

  it("nest deeply", () => {
    let value = read("]".repeat(100_000), "a".repeat(99_999)) as PickleValue[];
    let depth = 1;
    for (; value.length; depth++) value = value[0] as PickleValue[];
    expect(depth).toBe(100_000);
  });

  it("call themselves within calls", () => {
    const rebuild = p.global("torch._tensor", "_rebuild_from_type_v2");
    const type = p.global("torch", "Tensor");
    let args = p.tuple(rebuild, type, ")", none);
    for (let i = 0; i < 1000; i++)
      args = [rebuild, type, args, none].length ? p.tuple(rebuild, type, args, none) : args;
    expectRefused(() => read(rebuild, args, "R"), /not made by a known function/);
  });

  it("copy one long list again and again", () => {
    const copies = [
      p.global("builtins", "set"),
      p.put(1),
      "0",
      "(",
      p.repeat(2000, [p.get(1), p.get(0), 0x85, "R"]),
      "t",
    ];
    const numbers = Array.from({ length: 2000 }, (_, i) => p.whole(i));
    expectRefused(() => read(p.list(...numbers), p.put(0), "0", copies), /copies its containers more often/);
  });

  it("stack, mark or make more than the limits", () => {
    const many = (opcode: string) => opcode.repeat(2 ** 22 + 1);
    expectRefused(() => read(many("N")), /stacks more than 4194304 values/);
    expectRefused(() => read(many("(")), /more than 4194304 open marks/);
    expectRefused(() => read(many("}0")), /makes more than 4194304 containers/);
  });

  it("are longer than the limit", () => {
    const file = p.checkpoint(p.pickle(p.text("x".repeat(1000))));
    expect(readCheckpoint(file)).toHaveLength(1000);
    expectRefused(() => readCheckpoint(file, { maxPickleBytes: 500 }), /longer than the limit \(see maxPickleBytes\)/);
  });
});

describe("malformed pickles", () => {
  const cases: readonly [string, readonly p.Part[], RegExp][] = [
    ["an empty stack", ["0"], /takes a value that is not there/],
    ["nothing at all", [], /takes a value that is not there/],
    ["values left over", ["NN"], /values left over/],
    ["an open mark left over", ["(", "N"], /takes a value|values left over/],
    ["a mark that is not there", ["Nt"], /closes a mark that is not there/],
    ["values below a mark", ["N(", 0x85], /takes a value that is not there/],
    ["a memo entry that is not there", ["h\u0005"], /recalls value 5/],
    ["appending to a tuple", [")Na"], /appends to a value that is no list/],
    ["appending to a number", ["K\u0001Na"], /appends to a value that is no list/],
    ["items of a list", ["]NNs"], /sets items of a value that is no dict/],
    ["members of a list", ["](N", 0x90], /adds to a value that is no set/],
    ["an odd number of items", ["}(Nu"], /do not pair up/],
    ["a list as key", ["}]Ns"], /used as a dict key/],
    ["a dict in a set", ["(}", 0x91], /used as a dict key/],
    ["protocol 9", [0x80, 9, "N"], /pickle protocol 9 is not supported/],
    ["opcodes of protocol 0", ["I1\n"], /pickle opcode 0x49 at byte 2 is not supported/],
    ["extension codes", [0x82, 1], /opcode 0x82/],
    ["text that is no UTF-8", ["X", Uint8Array.of(1, 0, 0, 0, 255)], /not valid UTF-8/],
    ["a global that never ends", ["cos"], /truncated/],
    ["a global named by a number", ["K\u0001K\u0002", 0x93], /global's name is not text/],
    ["an outside object that is no storage", [p.text("x"), "Q"], /no storage/],
    ["a set from a number", [p.call(p.global("builtins", "set"), p.whole(3))], /something else than a list/],
    [
      "an OrderedDict from numbers",
      [p.call(p.global("collections", "OrderedDict"), p.list(p.whole(3)))],
      /something else than pairs/,
    ],
    ["a Counter from a list", [p.call(p.global("collections", "Counter"), "]")], /something else than a dict/],
    [
      "bytes in another encoding",
      [p.call(p.global("_codecs", "encode"), p.text("x"), p.text("rot13"))],
      /not in Latin-1/,
    ],
    ["bytes beyond Latin-1", [p.call(p.global("_codecs", "encode"), p.text("ā"), p.text("latin1"))], /not in Latin-1/],
    ["a bytearray of a size", [p.call(p.global("builtins", "bytearray"), p.whole(1 << 30))], /not in Latin-1/],
    [
      "a size with text",
      [p.call(p.global("torch", "Size"), p.list(p.text("x")))],
      /torch\.Size has a size or stride of "x"/,
    ],
    ["a device without name", [p.call(p.global("torch", "device"), none)], /torch\.device is called without text/],
    [
      "a parameter without tensor",
      [p.call(p.global("torch._utils", "_rebuild_parameter"), none, 0x88, none)],
      /a parameter has no tensor/,
    ],
  ];
  it.each(cases)("%s", (_name, parts, message) => expectRefused(() => read(...parts), message));
});

describe("archives and legacy files", () => {
  const object = p.pickle(p.tensor());
  const keys = p.pickle(p.list(p.text("0")));
  const data = Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, ...new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));

  it("read as written", () => {
    const tensor = readCheckpoint(p.bytesOf(p.legacyHeader, object, keys, data)) as Tensor;
    expect(tensor.tolist()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  const cases: readonly [string, Uint8Array, RegExp][] = [
    ["a tar file", p.bytesOf(new Uint8Array(257), "ustar", new Uint8Array(300)), /tar file, as PyTorch 0\.1 wrote/],
    ["a text file", p.bytesOf("weights"), /torch\.save did not write it/],
    ["an empty file", new Uint8Array(0), /torch\.save did not write it/],
    ["another pickle", p.pickle("K\u0001"), /torch\.save did not write it/],
    [
      "another archive",
      writeZip([["x.npy", object]], false),
      /has 0 entries \*\/data\.pkl: it is no PyTorch checkpoint/,
    ],
    [
      "two pickles",
      writeZip(
        [
          ["a/data.pkl", object],
          ["b/data.pkl", object],
        ],
        false,
      ),
      /has 2 entries \*\/data\.pkl/,
    ],
    ["bytes after the pickle", p.checkpoint(p.bytesOf(object, "N")), /1 bytes follow the pickle/],
    ["a legacy storage that is missing", p.bytesOf(p.legacyHeader, object, p.pickle("]")), /storage "0" is missing/],
    [
      "a legacy storage twice",
      p.bytesOf(p.legacyHeader, object, p.pickle(p.list(p.text("0"), p.text("0"))), data),
      /"0", which no tensor uses/,
    ],
    [
      "an unknown legacy storage",
      p.bytesOf(p.legacyHeader, object, p.pickle(p.list(p.text("7"))), data),
      /storage "7", which no tensor/,
    ],
    [
      "a legacy storage of another length",
      p.bytesOf(p.legacyHeader, object, keys, data.with(0, 5)),
      /has 5 elements, the pickle says 4/,
    ],
    [
      "a legacy storage cut short",
      p.bytesOf(p.legacyHeader, object, keys, data.slice(0, 20)),
      /truncated within storage "0"/,
    ],
    ["bytes after the storages", p.bytesOf(p.legacyHeader, object, keys, data, 0), /1 bytes follow the last storage/],
    ["legacy keys that are no list", p.bytesOf(p.legacyHeader, object, p.pickle("N"), data), /keys are no list/],
    [
      "legacy keys that name a class",
      p.bytesOf(p.legacyHeader, object, p.pickle(p.global("os", "system"))),
      /refuses class "os\.system"/,
    ],
    [
      "a legacy storage described in two ways",
      p.bytesOf(
        p.legacyHeader,
        p.pickle(p.list(p.tensor(), p.tensor({ storage: p.storage("0", p.whole(5)) }))),
        keys,
        data,
      ),
      /storage "0" is described in two ways/,
    ],
  ];
  it.each(cases)("%s", (_name, bytes, message) => expectRefused(() => readCheckpoint(bytes), message));

  it.each(["deflated.pt", "protocol4.pt", "quantized.pt"])("every truncation of %s is refused", (name) => {
    expectTruncationsRefused(golden(name), readCheckpoint);
  });

  it("every truncation of a legacy file is refused", () => {
    expectTruncationsRefused(p.bytesOf(p.legacyHeader, object, keys, data), readCheckpoint);
  });

  it.each(["without-checksums.pt", "protocol4.pt", "training-legacy.pt", "training.pt"])(
    "damage to %s is survived",
    (name) => {
      expectDamageSurvived(golden(name), readCheckpoint);
    },
  );

  it("damage to a pickle is survived", () => {
    // Through an archive of its own, so that no checksum stands before the pickle.
    const state = p.dict([p.text("w"), p.tensor()], [p.text("l"), p.list(p.whole(1), none, p.tuple(p.long(5n)))]);
    expectDamageSurvived(p.pickle(state, p.put(3)), (bytes) => readCheckpoint(p.checkpoint(bytes)), 5000);
  });
});
