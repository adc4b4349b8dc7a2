/** The examples of graph mode give what they say. */
import { describe, expect, it } from "vitest";
import * as customModule from "../../examples/quantization/fx-custom-module.ts";
import * as dynamic from "../../examples/quantization/fx-dynamic.ts";
import * as fuse from "../../examples/quantization/fx-fuse.ts";
import * as qat from "../../examples/quantization/fx-qat.ts";
import * as saveAndLoad from "../../examples/quantization/fx-save-and-load.ts";
import * as standard from "../../examples/quantization/fx-static.ts";
import type { Tensor } from "../../src/index.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import { manualSeed } from "../../src/index.ts";

/** The largest difference, in proportion to the largest value. */
function error(actual: unknown, expected: unknown): number {
  const [a, b] = [actual, expected] as [Tensor, Tensor];
  return a.sub(b).abs().max().item() / b.abs().max().item();
}

describe("examples of graph mode", () => {
  it("quantize statically", () => {
    manualSeed(0);
    const { modelQuantized, explained, res, float } = standard.main();
    expect(modelQuantized.getSubmodule("conv").getName()).toBe("QuantizedConvReLU2d");
    expect(modelQuantized.getSubmodule("fc").getName()).toBe("QuantizedLinear");
    expect(explained).not.toMatch(/reference form| no /);
    // The outputs are small, and come after three more roundings to 8 bits.
    expect(error(res, float)).toBeLessThan(0.1);
  });

  it("quantize dynamically", () => {
    manualSeed(0);
    const { modelQuantized, res, float } = dynamic.main();
    expect(modelQuantized.getSubmodule("fc1").getName()).toBe("DynamicQuantizedLinearReLU");
    expect(modelQuantized.getSubmodule("fc2").getName()).toBe("DynamicQuantizedLinear");
    expect(error(res, float)).toBeLessThan(0.05);
  });

  it("train with quantization in mind", () => {
    manualSeed(0);
    const { losses, modelQuantized, res, simulated } = qat.main();
    expect(losses.at(-1)).toBeLessThan(losses[0]);
    expect(modelQuantized.getSubmodule("conv").getName()).toBe("QuantizedConvReLU2d");
    expect(error(res, simulated)).toBeLessThan(0.05);
  });

  it("fuse", () => {
    manualSeed(0);
    const { modelFused, code, res, float } = fuse.main();
    expect(modelFused.getSubmodule("conv").getName()).toBe("ConvReLU2d");
    expect(code).not.toMatch(/bn/);
    expect(error(res, float)).toBeLessThan(1e-5);
  });

  it("quantize a module in a way of its own", () => {
    manualSeed(0);
    const { mp, mq, res, float } = customModule.main();
    expect(mp.getSubmodule("0").getName()).toBe("ObservedCustomModule");
    expect(mq.getSubmodule("0").getName()).toBe("StaticQuantCustomModule");
    expect(mq.getSubmodule("0.linear").getName()).toBe("QuantizedLinear");
    expect(error(res, float)).toBeLessThan(0.05);
  });

  it("save and load", () => {
    manualSeed(0);
    const { keys, original, loaded } = withWarnings(() => {}, saveAndLoad.main);
    expect(keys).toContain("linear_input_scale_0");
    expect(keys).toContain("linear._packed_params._packed_params.0");
    expect(loaded).toEqual(original);
  });
});
