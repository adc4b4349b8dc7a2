import { describe, expect, it } from "vitest";
import { bool, float16, float32, float64, int32, int64 } from "../../src/core/dtype.ts";
import { OctetError } from "../../src/core/errors.ts";
import { loadCheckpoint, readCheckpoint, stateDictFrom } from "../../src/io/checkpoint.ts";
import type { PickleValue } from "../../src/io/pickle-values.ts";
import { OrderedDict, PythonName } from "../../src/io/pickle-values.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import { Parameter } from "../../src/nn/parameter.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { golden } from "./hostile.ts";

type Dict = Map<PickleValue, PickleValue>;

/** The value at a path of dict keys. */
function at(value: PickleValue, ...path: readonly PickleValue[]): PickleValue {
  return path.reduce((inner, key) => {
    expect(inner).toBeInstanceOf(Map);
    expect([...(inner as Dict).keys()]).toContainEqual(key);
    return (inner as Dict).get(key)!;
  }, value);
}

const models = readSafetensors(golden("expected.safetensors")).tensors;
const formats = ["", "-legacy"];

describe("state dicts that PyTorch wrote", () => {
  const files = ["cnn", "lstm"].flatMap((model) => formats.map((format) => [`${model}${format}.pt`, model]));
  it.each(files)("%s", (file, model) => {
    const state = stateDictFrom(readCheckpoint(golden(file)));
    const prefix = `${model}/state/`;
    const expected = [...models].filter(([name]) => name.startsWith(prefix));
    expect([...state.keys()]).toEqual(expected.map(([name]) => name.slice(prefix.length)));
    for (const [name, wanted] of expected) {
      const tensor = state.get(name.slice(prefix.length))!;
      expect(tensor.dtype).toBe(wanted.dtype);
      expect(tensor.shape).toEqual(wanted.shape);
      expect(tensor.elements()).toEqual(wanted.elements());
    }
    expect(state.metadata.get("")).toEqual({ version: 1 });
    if (model === "cnn") expect(state.metadata.get("bn")).toEqual({ version: 2 });
  });

  it("load by path", () => {
    const path = new URL("../golden/checkpoints/cnn.pt", import.meta.url).pathname;
    expect(stateDictFrom(loadCheckpoint(path)).size).toBe(10);
    expect(() => loadCheckpoint(`${path}.absent`)).toThrow(/^cannot read ".*cnn\.pt\.absent": no such file or folder$/);
  });
});

describe.each(formats)("a training state%s", (format) => {
  const state = readCheckpoint(golden(`training${format}.pt`)) as Dict;
  const tensors = at(state, "tensors") as Map<string, Tensor>;
  const expected = readSafetensors(golden("training.safetensors")).tensors;

  it("keeps every tensor", () => {
    for (const [path, wanted] of expected) {
      const keys = path.split("/").map((key) => (/^\d+$/.test(key) ? Number(key) : key));
      const tensor = at(state, ...keys) as Tensor;
      expect(tensor.dtype, path).toBe(wanted.dtype);
      expect(tensor.shape, path).toEqual(wanted.shape);
      expect(tensor.elements(), path).toEqual(wanted.elements());
    }
    expect([...tensors.keys()].every((name) => expected.has(`tensors/${name}`))).toBe(true);
  });

  it("gives dtypes, and widens those that only PyTorch has", () => {
    const dtype = (name: string) => tensors.get(name)!.dtype;
    expect(["float64", "float16", "bfloat16", "int64", "bool", "uint16", "uint32"].map(dtype)).toEqual([
      float64,
      float16,
      float32,
      int64,
      bool,
      int32,
      int64,
    ]);
  });

  it("keeps shared storage, strides and offsets", () => {
    const { storage } = tensors.get("shared")!;
    for (const name of ["shared_tail", "shared_matrix", "transposed", "strided"]) {
      expect(tensors.get(name)!.storage).toBe(storage);
    }
    expect(tensors.get("shared_tail")!.offset).toBe(8);
    expect(tensors.get("transposed")!.strides).toEqual([1, 4]);
    expect(tensors.get("expanded")!.strides).toEqual([1, 0]);
    expect(tensors.get("channels_last")!.strides).toEqual([12, 1, 6, 2]);
    expect(tensors.get("scalar")!.storage).not.toBe(storage);
  });

  it("keeps parameters and what requires a gradient", () => {
    expect(tensors.get("parameter")).toBeInstanceOf(Parameter);
    const wanting = [...tensors].filter(([, tensor]) => tensor.requiresGrad).map(([name]) => name);
    expect(wanting).toEqual(["parameter", "needs_grad"]);
    expect(tensors.get("frozen_parameter")).toBeInstanceOf(Parameter);
    expect(tensors.get("buffer")).not.toBeInstanceOf(Parameter);
  });

  it("keeps plain values", () => {
    expect(at(state, "epoch")).toBe(3);
    expect(at(state, "loss")).toBe(0.125);
    expect(at(state, "big")).toBe(2n ** 70n);
    expect(at(state, "negative")).toBe(-(2 ** 40));
    expect(at(state, "name")).toBe("résumé \u{1F4A9}");
    expect(at(state, "nothing")).toBeNull();
    expect(at(state, "bytes")).toEqual(Uint8Array.of(0, 255));
    expect(at(state, "set")).toEqual(new Set([1, 2]));
    expect(at(state, "dtype")).toBe(float16);
    expect(at(state, "foreign_dtype")).toEqual(new PythonName("torch.bfloat16"));
    expect(at(state, "device")).toBe("cuda:1");
    expect(at(state, 7)).toBe("integer key");
  });

  it("keeps containers", () => {
    expect(at(state, "flags")).toEqual([true, false]);
    expect(Object.isFrozen(at(state, "flags"))).toBe(true);
    expect(at(state, "betas")).toEqual([0.9, [0.99, []]]);
    expect(Object.isFrozen(at(state, "betas"))).toBe(false);
    expect(at(state, "self")).toBe(at(state, "betas"));
    expect(at(state, "size")).toEqual([2, 3]);
    expect(at(state, "ordered")).toBeInstanceOf(OrderedDict);
    expect([...(at(state, "ordered") as Dict)]).toEqual([
      ["b", 1],
      ["a", 2],
    ]);
    expect(at(state, "counter")).toEqual(
      new Map([
        ["a", 2],
        ["b", 1],
      ]),
    );
    expect(at(state, "default")).toEqual(new Map([["k", [1]]]));
    expect(at(state, "default_int")).toEqual(new Map([["k", 1]]));
    expect([...state.keys()]).toContainEqual(["a", 1]);
    const [group] = at(state, "optimizer", "param_groups") as readonly PickleValue[];
    expect([at(group, "lr"), at(group, "betas"), at(group, "params")]).toEqual([1e-3, [0.9, 0.99], [0, 1]]);
  });

  it("takes __proto__ as a key like any other", () => {
    expect(at(state, "__proto__", "polluted")).toBe(true);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("holds one state dict, among the optimizer's and other tensors when asked", () => {
    expect(() => stateDictFrom(state)).toThrow(
      /^stateDictFrom: several entries are state dicts: "tensors", "model"; choose one/,
    );
    expect(stateDictFrom(state, { key: "model" }).size).toBe(10);
    expect(stateDictFrom(state, { key: "model" }).metadata.get("bn")).toEqual({ version: 2 });
    expect(() => stateDictFrom(state, { key: "optimizer" })).toThrow(/entry "optimizer" is no dict of tensors/);
  });
});

describe("variants of the zip format", () => {
  it.each(["without-checksums", "deflated", "protocol3", "protocol4", "protocol5"])("%s", (name) => {
    const state = readCheckpoint(golden(`${name}.pt`));
    expect((at(state, "w") as Tensor).tolist()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    if (!name.startsWith("protocol")) return;
    expect(at(state, "b")).toEqual(new TextEncoder().encode("xyz"));
    expect(at(state, "a")).toEqual(new TextEncoder().encode("ab"));
    expect([at(state, "s"), at(state, "f")]).toEqual([new Set([1]), new Set([2])]);
  });
});

describe("stateDictFrom", () => {
  const w = Tensor.zeros([1], float32);

  it("takes a flat dict, or the only entry that is one", () => {
    expect([...stateDictFrom(new Map([["w", w]])).keys()]).toEqual(["w"]);
    expect(stateDictFrom(new Map()).size).toBe(0);
    const nested = new Map<PickleValue, PickleValue>([
      ["epoch", 1],
      ["extra", new Map()],
      ["state_dict", new Map([["w", w]])],
    ]);
    expect([...stateDictFrom(nested).keys()]).toEqual(["w"]);
  });

  it("tells what it found instead", () => {
    expect(() => stateDictFrom([w])).toThrow(OctetError);
    const plain = new Map<PickleValue, PickleValue>([
      ["epoch", 1],
      [2, "x"],
    ]);
    expect(() => stateDictFrom(plain)).toThrow(
      /no entry of the checkpoint is a dict of tensors; its entries are "epoch", 2$/,
    );
    expect(() => stateDictFrom(plain, { key: "model" })).toThrow(/entry "model" is no dict of tensors/);
  });
});
