/** The compatibility table: its naming rules, its notes, and that the file in the repository is what the code would write. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compatibilityDocument } from "../../tools/compat/document.ts";
import { isExported, missingMethods } from "../../tools/compat/exports.ts";
import { floatNames, quantizationNames } from "../../tools/compat/inventory.ts";
import { camelCase, octetName } from "../../tools/compat/names.ts";
import { interfaces, notPlanned, partly, renamed } from "../../tools/compat/notes.ts";
import { quantizedProblem } from "../../tools/compat/quantized-probes.ts";
import { rowOf } from "../../tools/compat/status.ts";

const names = [...quantizationNames(), ...floatNames()];

describe("octetName", () => {
  it.each([
    ["torch.quantize_per_tensor", "quantizePerTensor"],
    ["torch.quint8", "quint8"],
    ["torch.Tensor.q_per_channel_zero_points", "Tensor.qPerChannelZeroPoints"],
    ["torch.Tensor.add_", "Tensor.add_"],
    ["torch.ao.quantization.observer.MinMaxObserver", "quantization.MinMaxObserver"],
    ["torch.ao.quantization.qconfig_mapping.get_default_qconfig_mapping", "quantization.getDefaultQconfigMapping"],
    ["torch.ao.quantization.fx.custom_config.FuseCustomConfig", "quantization.FuseCustomConfig"],
    ["torch.ao.quantization.default_eval_fn", "quantization.defaultEvalFn"],
    ["torch.ao.nn.quantized.Linear", "nn.quantized.Linear"],
    ["torch.ao.nn.intrinsic.qat.ConvBnReLU2d", "nn.intrinsic.qat.ConvBnReLU2d"],
    ["torch.ao.ns._numeric_suite.compare_weights", "quantization.numericSuite.compareWeights"],
    ["torch.ao.ns._numeric_suite_fx.add_loggers", "quantization.numericSuiteFx.addLoggers"],
    ["torch.ao.ns.fx.utils.compute_sqnr", "quantization.numericSuiteFx.computeSqnr"],
    ["torch.fx.symbolic_trace", "fx.symbolicTrace"],
    ["torch.optim.lr_scheduler.StepLR", "optim.lrScheduler.StepLR"],
    ["torch.nn.utils.rnn.pad_sequence", "nn.utils.rnn.padSequence"],
    ["torch.utils.data.random_split", "data.randomSplit"],
  ])("%s is %s", (torch, octet) => {
    expect(octetName(torch)).toBe(octet);
  });

  it("keeps classes, capitals and underscores at the ends", () => {
    const kept = ["ConvAdd2d", "_FusedModule", "_QCONFIG_STYLE_ORDER", "uniform_", "_private"];
    expect(kept.map(camelCase)).toEqual(kept);
    expect(camelCase("_get_symmetric_qnnpack_qconfig_mapping")).toBe("_getSymmetricQnnpackQconfigMapping");
  });

  it("gives documented names of quantization different names", () => {
    const taken = new Map<string, string>();
    for (const { path } of quantizationNames()) {
      expect(taken.get(octetName(path)), path).toBeUndefined();
      taken.set(octetName(path), path);
    }
  });
});

describe("exports", () => {
  it("finds functions, classes, namespaces, tensor methods and tensor fields", () => {
    const there = ["add", "nn.Module", "autograd.grad", "float32", "Tensor.add", "Tensor.requiresGrad", "Tensor.shape"];
    expect(there.filter((name) => !isExported(name))).toEqual([]);
  });

  it("does not take what every JavaScript object has for an export", () => {
    const absent = [
      "toString",
      "nn.constructor",
      "Tensor.hasOwnProperty",
      "Tensor.name",
      "nn.Module.prototype",
      "noSuchThing",
    ];
    expect(absent.filter(isExported)).toEqual([]);
    expect(missingMethods("nn.Module", ["train", "call", "bind", "length"])).toEqual(["call", "bind", "length"]);
  });
});

describe("quantizedProblem", () => {
  it("tells methods that serve quantized tensors from those that do not", () => {
    expect(quantizedProblem("copy_")).toBeNull();
    expect(quantizedProblem("noSuchMethod")).toMatch(/^not tried/);
  });

  it("knows every documented method of quantized tensors", () => {
    const methods = quantizationNames().filter((name) => name.kind === "tensor-method");
    const problems = methods.map(({ path }) => quantizedProblem(octetName(path).slice("Tensor.".length)));
    expect(problems.filter((problem) => problem?.startsWith("not tried"))).toEqual([]);
  });
});

describe("notes", () => {
  it("fit names in the inventories", () => {
    const paths = names.flatMap(({ path, methods }) => [path, ...methods.map((method) => `${path}.${method}`)]);
    for (const { names: pattern } of notPlanned)
      expect(
        paths.some((path) => pattern.test(path)),
        String(pattern),
      ).toBe(true);
    for (const path of Object.keys({ ...interfaces, ...renamed, ...partly })) expect(paths).toContain(path);
  });

  it("never call an exported name not planned", () => {
    const rows = names.map(rowOf).filter((row) => row.status === "not planned");
    expect(rows.filter((row) => isExported(row.octet))).toEqual([]);
    expect(rows.filter((row) => row.why === "")).toEqual([]);
  });
});

describe("COMPATIBILITY.md", () => {
  it("is what `npm run compat` writes", () => {
    const text = readFileSync(new URL("../../COMPATIBILITY.md", import.meta.url), "utf8");
    expect(text === compatibilityDocument(), "run `npm run compat` and commit COMPATIBILITY.md").toBe(true);
  });

  it("has a row for every documented name of quantization", () => {
    const text = compatibilityDocument();
    for (const { path } of quantizationNames()) expect(text).toContain(`| \`${path}\` | `);
  });
});
