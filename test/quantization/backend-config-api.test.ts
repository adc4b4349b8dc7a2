/** Setters, plain data, errors and look-ups of BackendConfig and its parts. */
import { describe, expect, it } from "vitest";
import { float16, float32, qint8, quint8 } from "../../src/core/dtype.ts";
import * as octet from "../../src/index.ts";
import * as nn from "../../src/nn/index.ts";
import type { Module } from "../../src/nn/module.ts";
import { add, relu } from "../../src/ops/index.ts";
import * as q from "../../src/quantization/index.ts";
import { sortedPatterns } from "../../src/quantization/backend-config/pattern.ts";
import { LinearReLU } from "../../src/quantization/namespaces/intrinsic.ts";
import * as nnqat from "../../src/quantization/namespaces/qat.ts";
import * as nnqr from "../../src/quantization/namespaces/quantized-reference.ts";

const constrained = new q.DTypeWithConstraints({
  dtype: quint8,
  quantMinLowerBound: 0,
  quantMaxUpperBound: 31,
  scaleMinLowerBound: 2 ** -12,
});
const weighted = new q.DTypeConfig({
  inputDtype: quint8,
  outputDtype: constrained,
  weightDtype: qint8,
  biasDtype: float32,
});
const half = new q.DTypeConfig({ inputDtype: float16, isDynamic: true });
const fuseLinearRelu = (_isQat: boolean, linear: nn.Linear, activation: nn.ReLU) => new LinearReLU(linear, activation);

describe("DTypeConfig", () => {
  it("gives dtypes with and without their constraints", () => {
    expect(weighted.inputDtype).toBe(quint8);
    expect(weighted.outputDtype).toBe(quint8);
    expect(weighted.weightDtype).toBe(qint8);
    expect(weighted.biasDtype).toBe(float32);
    expect(weighted.isDynamic).toBeNull();
    expect(weighted.outputDtypeWithConstraints).toBe(constrained);
    expect(weighted.inputDtypeWithConstraints).toEqual(new q.DTypeWithConstraints({ dtype: quint8 }));
    expect(new q.DTypeConfig().inputDtype).toBeNull();
  });

  it("is frozen, with its constraints", () => {
    expect(Object.isFrozen(weighted)).toBe(true);
    expect(Object.isFrozen(constrained)).toBe(true);
  });

  it("goes to plain data and back", () => {
    expect(half.toDict()).toEqual({
      input_dtype: new q.DTypeWithConstraints({ dtype: float16 }),
      is_dynamic: true,
    });
    expect(q.DTypeConfig.fromDict(weighted.toDict())).toEqual(weighted);
    expect(q.DTypeConfig.fromDict({ input_dtype: float16, is_dynamic: true })).toEqual(half);
  });

  it("refuses what is no dtype, and unknown keys", () => {
    expect(() => q.DTypeConfig.fromDict({ input_dtype: "quint8" as never })).toThrow(
      "Expected inputDtype to be a dtype or DTypeWithConstraints, got quint8",
    );
    expect(() => q.DTypeConfig.fromDict({ inputDtype: quint8 } as never)).toThrow(/unknown key "inputDtype"/);
  });

  it("prints constraints as PyTorch does", () => {
    expect(String(constrained)).toBe(
      "DTypeWithConstraints(dtype=torch.quint8, quant_min_lower_bound=0, quant_max_upper_bound=31, " +
        "scale_min_lower_bound=0.000244140625, scale_max_upper_bound=None, scale_exact_match=None, " +
        "zero_point_exact_match=None)",
    );
  });
});

describe("BackendPatternConfig", () => {
  it("has PyTorch's defaults", () => {
    const config = new q.BackendPatternConfig(nn.Linear);
    expect(config.toDict()).toEqual({
      pattern: nn.Linear,
      observation_type: "OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT",
      dtype_configs: [],
    });
  });

  it("keeps what is set", () => {
    const config = new q.BackendPatternConfig()
      .setPattern(nn.Linear)
      .setObservationType(q.ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT)
      .addDtypeConfig(half)
      .setDtypeConfigs([weighted])
      .addDtypeConfig(half)
      .setRootModule(nn.Linear)
      .setQatModule(nnqat.Linear)
      .setReferenceQuantizedModule(nnqr.Linear)
      .setFusedModule(LinearReLU)
      .setFuserMethod(fuseLinearRelu)
      ._setNumTensorArgsToObservationType(new Map([[1, q.ObservationType.INPUT_OUTPUT_NOT_OBSERVED]]))
      ._setInputTypeToIndex({ weight: 1 });
    const dict = {
      pattern: nn.Linear,
      observation_type: "OUTPUT_SHARE_OBSERVER_WITH_INPUT",
      dtype_configs: [weighted.toDict(), half.toDict()],
      root_module: nn.Linear,
      qat_module: nnqat.Linear,
      reference_quantized_module_for_root: nnqr.Linear,
      fused_module: LinearReLU,
      fuser_method: fuseLinearRelu,
      num_tensor_args_to_observation_type: new Map([[1, "INPUT_OUTPUT_NOT_OBSERVED"]]),
      input_type_to_index: { weight: 1 },
    };
    expect(config.toDict()).toEqual(dict);
    expect(q.BackendPatternConfig.fromDict(config.toDict())).toEqual(config);
    expect(q.BackendPatternConfig.fromDict({ ...config.toDict(), dtype_configs: [weighted, half] })).toEqual(config);
  });

  it("takes one pattern, simple or nested", () => {
    const nested = [add, nn.Conv2d, q.MatchAllNode];
    const config = new q.BackendPatternConfig()._setPatternComplexFormat(nested);
    expect(config.complexPattern).toBe(nested);
    expect(q.BackendPatternConfig.fromDict(config.toDict())).toEqual(config);
    const message = "Only one of 'pattern' or 'pattern_complex_format' can be set";
    expect(() => config.setPattern(nn.Linear)).toThrow(message);
    expect(() => new q.BackendPatternConfig(nn.Linear)._setPatternComplexFormat(nested)).toThrow(message);
    expect(() => new q.BackendPatternConfig().complexPattern).toThrow("Either 'pattern' or 'pattern_complex_format'");
  });

  it("turns sequences around", () => {
    const nestedOf = (pattern: q.Pattern) => new q.BackendPatternConfig(pattern).complexPattern;
    expect(nestedOf([nn.Linear, nn.ReLU])).toEqual([nn.ReLU, nn.Linear]);
    expect(nestedOf([nn.Conv2d, nn.BatchNorm2d, "relu"])).toEqual(["relu", [nn.BatchNorm2d, nn.Conv2d]]);
    expect(() => nestedOf([nn.Linear])).toThrow("Expected a tuple with 2 or 3 elements, got: (Linear)");
  });

  it("gives the fuser the parts in the order of its pattern", () => {
    const seen: unknown[] = [];
    const fuser = (...args: unknown[]): Module => {
      seen.push(args);
      return new nn.Identity();
    };
    const two = new q.BackendPatternConfig([nn.Linear, nn.ReLU]).setFuserMethod(fuser);
    two.complexFuserMethod?.(true, "relu", "linear");
    const three = new q.BackendPatternConfig([nn.Conv2d, nn.BatchNorm2d, nn.ReLU]).setFuserMethod(fuser);
    three.complexFuserMethod?.(false, "relu", ["bn", "conv"]);
    const nested = new q.BackendPatternConfig()._setPatternComplexFormat([add, nn.Conv2d, q.MatchAllNode]);
    nested.setFuserMethod(fuser).complexFuserMethod?.(false, "add", "conv", "other");
    expect(seen).toEqual([
      [true, "linear", "relu"],
      [false, "conv", "bn", "relu"],
      [false, "add", "conv", "other"],
    ]);
    expect(new q.BackendPatternConfig(nn.Linear).complexFuserMethod).toBeNull();
    expect(() => new q.BackendPatternConfig(nn.Linear).setFuserMethod(fuser).complexFuserMethod).toThrow(
      "A fuser method needs a pattern of 2 or 3 elements",
    );
  });
});

describe("BackendConfig", () => {
  const linear = new q.BackendPatternConfig(nn.Linear).addDtypeConfig(weighted);
  const fused = new q.BackendPatternConfig([nn.Linear, nn.ReLU]).setFuserMethod(fuseLinearRelu);

  it("replaces a config of the same pattern in its place", () => {
    const backend = new q.BackendConfig("mine").setBackendPatternConfigs([fused, linear]);
    expect(backend.configs).toEqual([fused, linear]);
    const again = new q.BackendPatternConfig([nn.Linear, nn.ReLU]).addDtypeConfig(half);
    backend.setBackendPatternConfig(again);
    expect(backend.configs).toEqual([again, linear]);
    expect(backend.patternConfig(q.patternKey([nn.ReLU, nn.Linear]))).toBe(again);
    expect(backend.patternConfig(q.patternKey([nn.Linear, nn.ReLU]))).toBeUndefined();
    const nested = new q.BackendPatternConfig()._setPatternComplexFormat([nn.ReLU, nn.Linear]);
    expect(backend.setBackendPatternConfig(nested).configs).toEqual([nested, linear]);
  });

  it("goes to plain data and back", () => {
    const backend = new q.BackendConfig().setName("mine").setBackendPatternConfigs([linear, fused]);
    expect(backend.toDict()).toEqual({ name: "mine", configs: [linear.toDict(), fused.toDict()] });
    expect(q.BackendConfig.fromDict(backend.toDict())).toEqual(backend);
    expect(q.BackendConfig.fromDict({ name: "mine", configs: [linear, fused.toDict()] })).toEqual(backend);
    expect(q.BackendConfig.fromDict({}).name).toBe("");
    expect(() => q.BackendConfig.fromDict({ configs: [3 as never] })).toThrow(/to be objects, got 3/);
    expect(() => q.BackendConfig.fromDict({ config: [] } as never)).toThrow(/unknown key "config"/);
  });

  it("gives PyTorch's configs as plain data that make them again", () => {
    const made = q.BackendConfig.fromDict(q.getNativeBackendConfigDict());
    expect(made.toDict()).toEqual(q.getNativeBackendConfig().toDict());
  });
});

describe("patterns", () => {
  it("are equal if their elements are", () => {
    expect(q.patternKey([nn.ReLU, nn.Linear])).toBe(q.patternKey([nn.ReLU, nn.Linear]));
    const different: readonly q.Pattern[] = [
      nn.Linear,
      nnqat.Linear,
      nnqr.Linear,
      relu,
      "relu",
      q.MatchAllNode,
      [nn.Linear],
      [nn.Linear, nn.ReLU],
      [nn.ReLU, nn.Linear],
      [nn.ReLU, [nn.Linear]],
      [nn.ReLU, [nn.BatchNorm1d, nn.Linear]],
      [nn.ReLU, nn.BatchNorm1d, nn.Linear],
    ];
    expect(new Set(different.map(q.patternKey)).size).toBe(different.length);
  });

  it("can be keys of a map", () => {
    const map = new q.PatternMap<number>([
      [[nn.ReLU, nn.Linear], 1],
      [nn.Linear, 2],
    ]);
    expect(map.get([nn.ReLU, nn.Linear])).toBe(1);
    expect(map.set([nn.ReLU, nn.Linear], 3).size).toBe(2);
    expect([...map.values()]).toEqual([3, 2]);
    expect(map.has([nn.Linear, nn.ReLU])).toBe(false);
    expect(map.delete([nn.ReLU, nn.Linear])).toBe(true);
    expect(map.has([nn.ReLU, nn.Linear])).toBe(false);
    map.clear();
    expect(map.size).toBe(0);
  });

  it("are tried longest first, else in the order given", () => {
    const three: q.Pattern = [nn.ReLU, [nn.BatchNorm1d, nn.Linear]];
    const patterns: readonly q.Pattern[] = [nn.Linear, [nn.ReLU, nn.Linear], relu, three, ["relu", nn.Linear]];
    const map = new Map(patterns.map((pattern, i) => [pattern, i]));
    expect([...q.sortedPatternsDict(map).values()]).toEqual([3, 1, 4, 0, 2]);
    const configs = patterns.map((pattern) => new q.BackendPatternConfig()._setPatternComplexFormat(pattern));
    expect(sortedPatterns({ configs }).map(({ config }) => configs.indexOf(config))).toEqual([3, 1, 4, 0, 2]);
  });

  it("print as text, as do entries", () => {
    expect(q.patternToHumanReadable(["relu", [nn.BatchNorm1d, nn.Linear]])).toBe("('relu', (BatchNorm1d, Linear))");
    expect(q.patternToHumanReadable([add, nn.Conv2d, q.MatchAllNode])).toBe("(add, Conv2d, MatchAllNode)");
    const entry = new q.BackendPatternConfig(nn.Linear)
      .addDtypeConfig(half)
      .setRootModule(nn.Linear)
      ._setNumTensorArgsToObservationType(new Map([[1, q.ObservationType.INPUT_OUTPUT_NOT_OBSERVED]]))
      ._setInputTypeToIndex({ weight: 1, bias: 2 });
    const dtype = String(half.inputDtypeWithConstraints);
    expect(q.entryToPrettyStr(entry.toDict())).toBe(
      [
        "{",
        "  'pattern': Linear,",
        "  'dtype_configs': [",
        "    {",
        `      'input_dtype': ${dtype},`,
        "      'is_dynamic': True,",
        "    },",
        "  ],",
        "  'num_tensor_args_to_observation_type': {",
        "    1: ObservationType.INPUT_OUTPUT_NOT_OBSERVED,",
        "  },",
        "  'observation_type': ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT,",
        "  'root_module': Linear,",
        "  'input_type_to_index': {'weight': 1, 'bias': 2},",
        "}",
      ].join("\n"),
    );
  });
});

describe("tables derived from a backend config", () => {
  const native = q.getNativeBackendConfig();

  it("are keyed by nested patterns", () => {
    expect(q.getPatternToDtypeConfigs(native).get([nn.ReLU, nn.Linear])).toHaveLength(3);
    expect(q.getPatternToInputTypeToIndex(native).get(nn.functional.linear)).toEqual({ weight: 1, bias: 2 });
    expect(q.getPatternToInputTypeToIndex(native).get(nn.Linear)).toEqual({});
    expect(q.getFusionPatternToRootNodeGetter(native).size).toBe(0);
    expect(q.getFusionPatternToExtraInputsGetter(native).size).toBe(0);
  });

  it("hold working fusers", () => {
    const fuser = q.getFuserMethodMapping(native).get([nn.ReLU, nn.Linear]);
    const fused = fuser?.(false, new nn.ReLU(), new nn.Linear(2, 3));
    expect(fused).toBeInstanceOf(LinearReLU);
    const [linear, activation] = [...(fused as Module).children()];
    expect([linear.getName(), activation.getName()]).toEqual(["Linear", "ReLU"]);
  });
});

describe("fixed qparams", () => {
  it("are not for dtypes with bounds of the scale", () => {
    const dtypes = q.getPatternToDtypeConfigs(q.getQnnpackBackendConfig()).get(nn.Sigmoid) ?? [];
    expect(dtypes.map((config) => config.inputDtypeWithConstraints.scaleExactMatch)).toEqual([null, 1 / 256]);
  });
});

describe("the example of docs/backend-config.md", () => {
  const int8 = new q.DTypeConfig({ inputDtype: quint8, outputDtype: quint8, weightDtype: qint8, biasDtype: float32 });
  const linear = new q.BackendPatternConfig(octet.nn.Linear)
    .setObservationType(q.ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT)
    .addDtypeConfig(int8)
    .setRootModule(octet.nn.Linear)
    .setQatModule(octet.nn.qat.Linear)
    .setReferenceQuantizedModule(octet.nn.quantized.reference.Linear);
  const convRelu = new q.BackendPatternConfig([octet.nn.Conv2d, octet.nn.ReLU])
    .addDtypeConfig(int8)
    .setFusedModule(octet.nn.intrinsic.ConvReLU2d)
    .setFuserMethod(
      (_isQat, conv: octet.nn.Conv2d, activation: octet.nn.ReLU) => new octet.nn.intrinsic.ConvReLU2d(conv, activation),
    );
  const fusedConvRelu = new q.BackendPatternConfig(octet.nn.intrinsic.ConvReLU2d)
    .addDtypeConfig(int8)
    .setRootModule(octet.nn.Conv2d)
    .setQatModule(octet.nn.intrinsic.qat.ConvReLU2d)
    .setReferenceQuantizedModule(octet.nn.quantized.reference.Conv2d);
  const backend = new q.BackendConfig("mine").setBackendPatternConfigs([linear, convRelu, fusedConvRelu]);

  it("says the same of its patterns as the native backend", () => {
    const native = q.getNativeBackendConfig();
    expect(backend.configs).toHaveLength(3);
    expect(q.getFusedModuleClasses(backend)).toEqual([octet.nn.intrinsic.ConvReLU2d]);
    for (const [pattern, qat] of q.getModuleToQatModule(backend)) {
      expect(q.getModuleToQatModule(native).get(pattern)).toBe(qat);
    }
    for (const [root, reference] of q.getRootModuleToQuantizedReferenceModule(backend)) {
      expect(q.getRootModuleToQuantizedReferenceModule(native).get(root)).toBe(reference);
    }
  });

  it("fuses", () => {
    const conv = new octet.nn.Conv2d(1, 2, 3);
    const fused = q.getFuserMethodMapping(backend).get([octet.nn.ReLU, octet.nn.Conv2d])?.(
      false,
      new octet.nn.ReLU(),
      conv,
    );
    expect(fused?.getName()).toBe("ConvReLU2d");
  });
});
