import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { BinaryName, UnaryName } from "../../../src/kernels/kernels.ts";
import { binaryFunctions, unaryFunctions } from "../../../src/kernels/reference/scalar-functions.ts";

/** JSON has no NaN, infinities or −0; the script writes those as strings. */
type Encoded = number | "nan" | "inf" | "-inf" | "-0";
type UnaryCase = [name: UnaryName, p: Encoded, q: Encoded, x: Encoded[], y: Encoded[]];
type GradientCase = [name: BinaryName, p: Encoded, q: Encoded, x: Encoded[], y: Encoded[]];
type BinaryCase = [name: BinaryName, p: Encoded, q: Encoded, a: Encoded[], b: Encoded[], y: Encoded[]];

const golden = JSON.parse(readFileSync(new URL("../../golden/scalar-functions.json", import.meta.url), "utf8")) as {
  gradient: number;
  unary: UnaryCase[];
  gradients: GradientCase[];
  binary: BinaryCase[];
};

function decode(value: Encoded): number {
  if (typeof value === "number") return value;
  return { nan: NaN, inf: Infinity, "-inf": -Infinity, "-0": -0 }[value];
}

/** Functions of which PyTorch's own scalar and vector loops return zeros of either sign. */
const eitherZero = new Set<string>(["relu", "relu6", "clampMin", "elu", "celu", "selu", "maximum", "minimum"]);

/**
 * Where PyTorch itself is not exact to 1e-13: it takes exp(x) − 1 for the exponential units, which costs it half a unit in
 * the last place of 1, and 1/6 in single precision for the gradient of hardsigmoid.
 */
const inexactInPyTorch: Readonly<Record<string, { absolute?: number; relative?: number }>> = {
  elu: { absolute: 2 ** -53 },
  celu: { absolute: 2 ** -53 },
  selu: { absolute: 2 ** -52 },
  hardsigmoidGrad: { relative: 2 ** -24 },
};

function mismatch(name: string, got: number, want: number): boolean {
  if (Object.is(got, want)) return false;
  if (got === 0 && want === 0) return !eitherZero.has(name);
  const { absolute = 0, relative = 1e-13 } = inexactInPyTorch[name] ?? {};
  return !(Math.abs(got - want) <= relative * Math.abs(want) + absolute);
}

/** Lists the inputs for which f does not return what PyTorch does. */
function mismatches(name: string, inputs: Encoded[][], want: Encoded[], f: (...args: number[]) => number): string[] {
  return want.flatMap((encoded, i) => {
    const args = inputs.map((column) => decode(column[i]));
    const got = f(...args);
    return mismatch(name, got, decode(encoded)) ? [`${name}(${args}) = ${got}, PyTorch ${encoded}`] : [];
  });
}

describe("unary functions give PyTorch's values", () => {
  it.each(golden.unary)("%s (p = %s, q = %s)", (name, p, q, x, y) => {
    const f = unaryFunctions[name];
    expect(mismatches(name, [x], y, (v) => f(v, decode(p), decode(q)))).toEqual([]);
  });
});

describe("gradient functions give PyTorch's gradients", () => {
  it.each(golden.gradients)("%s (p = %s, q = %s)", (name, p, q, x, y) => {
    const f = binaryFunctions[name];
    expect(mismatches(name, [x], y, (v) => f(golden.gradient, v, decode(p), decode(q)))).toEqual([]);
  });
});

describe("binary functions give PyTorch's values", () => {
  it.each(golden.binary)("%s (p = %s, q = %s)", (name, p, q, a, b, y) => {
    const f = binaryFunctions[name];
    expect(mismatches(name, [a, b], y, (v, w) => f(v, w, decode(p), decode(q)))).toEqual([]);
  });
});

it("covers every function of the tables", () => {
  const covered = new Set<string>([...golden.unary, ...golden.gradients, ...golden.binary].map(([name]) => name));
  const all = [...Object.keys(unaryFunctions), ...Object.keys(binaryFunctions)];
  expect(all.filter((name) => !covered.has(name))).toEqual([]);
});

it("raises whole numbers to whole powers exactly, as long as the result fits a double", () => {
  for (let base = 2; base <= 300; base++) {
    for (let exponent = 0, exact = 1n; exact <= 2n ** 53n; exponent++, exact *= BigInt(base)) {
      expect(binaryFunctions.pow(base, exponent, 0, 0)).toBe(Number(exact));
      expect(unaryFunctions.powScalar(-base, exponent, 0)).toBe(Number(exponent % 2 ? -exact : exact));
    }
  }
});
