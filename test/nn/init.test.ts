/** Initial values: PyTorch's, from the same seed. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { float64 } from "../../src/core/dtype.ts";
import { Generator, manualSeed } from "../../src/core/rng.ts";
import * as init from "../../src/nn/init.ts";
import { Parameter } from "../../src/nn/parameter.ts";
import { transpose } from "../../src/ops/index.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { float32 } from "../../src/core/dtype.ts";
import { camelCaseKeys } from "../golden.ts";

interface Case {
  readonly name: string;
  readonly shape: readonly number[];
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly values: readonly number[];
}

interface Golden {
  readonly seed: number;
  readonly cases: readonly Case[];
  readonly gains: readonly { args: [init.Nonlinearity, number?]; gain: number }[];
}

const golden = JSON.parse(readFileSync(new URL("../golden/init.json", import.meta.url), "utf8")) as Golden;

type Initializer = (tensor: Tensor, ...args: unknown[]) => Tensor;

/** `kaiming_uniform_` → `kaimingUniform_`. */
function find(name: string): Initializer {
  const [key] = Object.keys(camelCaseKeys({ [name.slice(0, -1)]: 0 }));
  return (init as unknown as Record<string, Initializer>)[`${key}_`];
}

describe.each(golden.cases)("$name of $shape with $args $kwargs", ({ name, shape, args, kwargs, values }) => {
  const options = Object.keys(kwargs).length ? [camelCaseKeys(kwargs)] : [];

  it("gives PyTorch's values", () => {
    manualSeed(golden.seed);
    const tensor = Tensor.zeros(shape, float32);
    expect(find(name)(tensor, ...args, ...options)).toBe(tensor);
    const actual = Array.from(tensor.toNumbers());
    expect(actual).toHaveLength(values.length);
    actual.forEach((value, i) => expect(value, `element ${i}`).toBeCloseTo(values[i], 5));
  });

  it("leaves a parameter a leaf", () => {
    const parameter = find(name)(new Parameter(Tensor.zeros(shape, float64)), ...args, ...options);
    expect([parameter.isLeaf, parameter.requiresGrad]).toEqual([true, true]);
  });
});

describe("calculateGain", () => {
  it.each(golden.gains)("of $args is $gain", ({ args, gain }) => {
    expect(init.calculateGain(...args)).toBeCloseTo(gain, 12);
  });

  it("refuses what it does not know", () => {
    expect(() => init.calculateGain("gelu" as init.Nonlinearity)).toThrow("unsupported nonlinearity gelu");
  });
});

describe("initial values", () => {
  it("come from the given generator", () => {
    const draw = (seed: number) =>
      init.orthogonal_(Tensor.zeros([3, 3], float32), 1, { generator: new Generator(seed) }).tolist();
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it("go into views", () => {
    const tensor = Tensor.zeros([2, 3], float32);
    init.eye_(transpose(tensor, 0, 1));
    expect(tensor.tolist()).toEqual([[1, 0, 0], [0, 1, 0]]); // prettier-ignore
  });

  it("need a fan in and a fan out", () => {
    expect(() => init.xavierUniform_(Tensor.zeros([3], float32))).toThrow("at least 2 dimensions, got shape [3]");
    expect(() => init.orthogonal_(Tensor.zeros([3], float32))).toThrow("orthogonal_: needs a tensor with at least 2");
    expect(() => init.eye_(Tensor.zeros([3], float32))).toThrow("eye_: needs a 2-D tensor, got shape [3]");
    expect(() => init.dirac_(Tensor.zeros([3, 3], float32))).toThrow("dirac_: needs a tensor with 3, 4 or 5");
    expect(() => init.dirac_(Tensor.zeros([3, 3, 1], float32), 2)).toThrow(
      "3 output channels are not divisible into 2",
    );
  });
});
