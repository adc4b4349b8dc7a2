/** Printed tensors against the text that PyTorch prints. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { dtypeFromName, float64 } from "../../src/core/dtype.ts";
import { getPrintoptions, setPrintoptions } from "../../src/core/printing.ts";
import { fromArray } from "../../src/ops/create.ts";
import { asDtype, tensor } from "../../src/ops/index.ts";

interface PrintingCase {
  name: string;
  dtype: string;
  shape: number[];
  requiresGrad: boolean;
  values: (number | boolean | string)[];
  negativeZeros: number[];
  options?: { precision?: number; sci_mode?: boolean; threshold?: number; edgeitems?: number; linewidth?: number };
  text: string;
}

const golden = JSON.parse(readFileSync(new URL("../golden/printing.json", import.meta.url), "utf8")) as {
  cases: PrintingCase[];
};

afterEach(() => setPrintoptions());

describe("toString prints what PyTorch prints", () => {
  for (const { name, dtype, shape, requiresGrad, values, negativeZeros, options, text } of golden.cases) {
    it(name, () => {
      if (options) {
        const { sci_mode: sciMode = null, ...rest } = options;
        setPrintoptions({ ...rest, sciMode });
      }
      const numbers = Float64Array.from(values, (value) =>
        value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value),
      );
      for (const i of negativeZeros) numbers[i] = -0;
      const x = asDtype(fromArray(numbers, shape, { dtype: float64 }), dtypeFromName(dtype));
      x.requiresGrad = requiresGrad;
      expect(String(x)).toBe(text);
    });
  }
});

describe("toString", () => {
  it("names the operator that made a tensor", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    expect(String(x.add(1))).toBe("tensor([2., 3.], grad_fn=<AddBackward0>)");
    expect(`${x.detach()}`).toBe("tensor([1., 2.])");
  });

  it("is what console.log shows", () => {
    const inspect = Reflect.get(tensor([1]), Symbol.for("nodejs.util.inspect.custom")) as () => string;
    expect(inspect.call(tensor([1]))).toBe("tensor([1.])");
  });
});

describe("setPrintoptions", () => {
  it("refuses a bad precision and goes back to the defaults", () => {
    expect(() => setPrintoptions({ precision: -1 })).toThrow("setPrintoptions: precision");
    setPrintoptions({ edgeitems: 1 });
    expect(getPrintoptions().edgeitems).toBe(1);
    setPrintoptions();
    expect(getPrintoptions()).toEqual({ precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sciMode: null });
  });
});
