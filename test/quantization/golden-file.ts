/** Reads the golden data of quantization: test/golden/quantization, or that folder below OCTET_GOLDEN. */
import { dtypeFromName } from "../../src/core/dtype.ts";
import { loadSafetensors } from "../../src/io/safetensors.ts";
import { qschemeFromName } from "../../src/quantization/observers/json.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { camelCaseKeys, goldenFolder } from "../golden.ts";

export class GoldenFile<Case> {
  readonly cases: readonly Case[];
  private readonly tensors: ReadonlyMap<string, Tensor>;

  constructor(name: string) {
    const { tensors, metadata } = loadSafetensors(`${goldenFolder}/quantization/${name}.safetensors`);
    this.tensors = tensors;
    this.cases = JSON.parse(metadata.get("cases") as string) as Case[];
  }

  has(key: string): boolean {
    return this.tensors.has(key);
  }

  get(key: string): Tensor {
    const found = this.tensors.get(key);
    if (!found) throw new Error(`golden data: no tensor ${key}`);
    return found;
  }
}

/** Keyword arguments as options: camelCased, dtypes and schemes by name turned into objects, `None` left out. */
export function optionsFrom(kwargs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const options = Object.entries(camelCaseKeys(kwargs)).map(([key, value]) => {
    if (key === "dtype") return [key, dtypeFromName(value as string)];
    return [key, key === "qscheme" ? qschemeFromName(value as string) : value];
  });
  return Object.fromEntries(options) as Record<string, unknown>;
}

/** Counts comparisons, for a line at the end of a test file. */
export class Tally {
  compared = 0;
  differing = 0;
  /** Largest relative difference of values that differ. */
  worst = 0;

  /** Compares element by element; NaN equals NaN, and −0 equals 0. */
  compare(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
    const n = Math.max(actual.length, expected.length);
    this.compared += n;
    for (let i = 0; i < n; i++) {
      if (actual[i] === expected[i] || (Number.isNaN(actual[i]) && Number.isNaN(expected[i]))) continue;
      this.differing++;
      const relative = Math.abs(actual[i] - expected[i]) / Math.max(Math.abs(expected[i]), 1e-300);
      this.worst = Math.max(this.worst, Number.isNaN(relative) ? Infinity : relative);
    }
  }

  toString(): string {
    const worst = this.differing ? ` (by up to ${this.worst.toExponential(1)} of their size)` : "";
    return `${this.compared} compared, ${this.differing} differ${worst}`;
  }
}
