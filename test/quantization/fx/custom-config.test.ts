/** Setters, plain data and errors of the custom configs of graph mode. */
import { describe, expect, it } from "vitest";
import * as nn from "../../../src/nn/index.ts";
import type { Module } from "../../../src/nn/module.ts";
import { BackendConfig } from "../../../src/quantization/backend-config/backend-config.ts";
import {
  ConvertCustomConfig,
  FuseCustomConfig,
  PrepareCustomConfig,
} from "../../../src/quantization/fx/custom-config.ts";
import { defaultQconfig } from "../../../src/quantization/qconfig.ts";
import { QConfigMapping } from "../../../src/quantization/qconfig-mapping.ts";
import { QuantType } from "../../../src/quantization/quant-type.ts";

class Observed extends nn.Identity {
  static fromFloat(_float: Module): Observed {
    return new Observed();
  }
}

class Quantized extends nn.Identity {
  static fromObserved(_observed: Module): Quantized {
    return new Quantized();
  }
}

const mapping = new QConfigMapping().setGlobal(defaultQconfig).setModuleName("head", null);
const child = new PrepareCustomConfig().setPreservedAttributes(["depth"]);
const backend = new BackendConfig("mine");

function complete(): PrepareCustomConfig {
  return new PrepareCustomConfig()
    .setStandaloneModuleName("block", mapping, [1], child, backend)
    .setStandaloneModuleClass(nn.Linear, null, [], null, null)
    .setFloatToObservedMapping(nn.Identity, Observed)
    .setNonTraceableModuleNames(["head"])
    .setNonTraceableModuleClasses([nn.LSTM])
    .setInputQuantizedIndexes([0, 2])
    .setOutputQuantizedIndexes([0])
    .setPreservedAttributes(["tag"]);
}

/** Nested configs are plain data, too; only a backend config stays itself. */
const completeDict = {
  standalone_module_name: [["block", mapping.toDict(), [1], { preserved_attributes: ["depth"] }, backend]],
  standalone_module_class: [[nn.Linear, null, [], null, null]],
  float_to_observed_custom_module_class: { static: new Map([[nn.Identity, Observed]]) },
  non_traceable_module_name: ["head"],
  non_traceable_module_class: [nn.LSTM],
  input_quantized_idxs: [0, 2],
  output_quantized_idxs: [0],
  preserved_attributes: ["tag"],
};

describe("PrepareCustomConfig", () => {
  it("keeps what is set", () => {
    const config = complete();
    expect(config.standaloneModuleNames.get("block")).toEqual({
      qconfigMapping: mapping,
      exampleInputs: [1],
      prepareCustomConfig: child,
      backendConfig: backend,
    });
    expect(config.standaloneModuleClasses.get(nn.Linear)?.qconfigMapping).toBeNull();
    expect(config.floatToObservedMapping.get(QuantType.STATIC)?.get(nn.Identity)).toBe(Observed);
    expect(config.nonTraceableModuleNames).toEqual(["head"]);
    expect(config.nonTraceableModuleClasses).toEqual([nn.LSTM]);
    expect(config.inputQuantizedIndexes).toEqual([0, 2]);
    expect(config.outputQuantizedIndexes).toEqual([0]);
    expect(config.preservedAttributes).toEqual(["tag"]);
  });

  it("goes to plain data and back", () => {
    expect(complete().toDict()).toEqual(completeDict);
    expect(PrepareCustomConfig.fromDict(complete().toDict())).toEqual(complete());
    expect(new PrepareCustomConfig().toDict()).toEqual({});
    expect(PrepareCustomConfig.fromDict({})).toEqual(new PrepareCustomConfig());
  });

  it("makes the nested configs of a standalone module from plain data", () => {
    const plain = [mapping.toDict(), [1], child.toDict(), backend.toDict()] as const;
    const { standaloneModuleNames, standaloneModuleClasses } = PrepareCustomConfig.fromDict({
      standalone_module_name: [["block", ...plain]],
      standalone_module_class: [[nn.Linear, ...plain]],
    });
    for (const entry of [standaloneModuleNames.get("block"), standaloneModuleClasses.get(nn.Linear)]) {
      expect(entry?.qconfigMapping).toBeInstanceOf(QConfigMapping);
      expect(entry?.qconfigMapping?.toDict()).toEqual(mapping.toDict());
      expect(entry?.exampleInputs).toEqual([1]);
      expect(entry?.prepareCustomConfig).toEqual(child);
      expect(entry?.backendConfig).toBeInstanceOf(BackendConfig);
      expect(entry?.backendConfig?.name).toBe("mine");
    }
  });

  it("takes objects in the place of nested plain data, and keeps them", () => {
    const { standaloneModuleNames } = PrepareCustomConfig.fromDict({
      standalone_module_name: [["block", mapping, null, child, backend]],
    });
    const entry = standaloneModuleNames.get("block");
    expect([entry?.qconfigMapping, entry?.prepareCustomConfig, entry?.backendConfig]).toEqual([
      mapping,
      child,
      backend,
    ]);
    expect(entry?.qconfigMapping).toBe(mapping);
    expect(entry?.prepareCustomConfig).toBe(child);
    expect(entry?.backendConfig).toBe(backend);
  });

  it("refuses anything else there", () => {
    const withSettings = (...settings: readonly unknown[]) =>
      PrepareCustomConfig.fromDict({ standalone_module_name: [["block", ...settings]] } as never);
    expect(() => withSettings(child, [], null, null)).toThrow(
      "PrepareCustomConfig.fromDict: standalone_module_name expects a QConfigMapping or its dictionary, got PrepareCustomConfig",
    );
    expect(() => withSettings(null, [], mapping, null)).toThrow(/expects a PrepareCustomConfig .* got QConfigMapping/);
    expect(() => withSettings(null, [], null, "x86")).toThrow(/expects a BackendConfig or its dictionary, got string/);
    expect(() => withSettings({ global: null }, [], null, null)).toThrow(
      /QConfigMapping\.fromDict: unknown key "global"/,
    );
  });

  it("replaces a second entry of the same name or class", () => {
    const config = complete().setStandaloneModuleName("block", null, [], null, null);
    expect(config.standaloneModuleNames.size).toBe(1);
    expect(config.standaloneModuleNames.get("block")?.qconfigMapping).toBeNull();
  });

  it("does not follow later changes of a list that it was given", () => {
    const names = ["head"];
    const config = new PrepareCustomConfig().setNonTraceableModuleNames(names);
    names.push("tail");
    expect(config.nonTraceableModuleNames).toEqual(["head"]);
  });

  it("observes custom modules in static quantization only", () => {
    const config = new PrepareCustomConfig();
    expect(() => config.setFloatToObservedMapping(nn.Identity, Observed, QuantType.DYNAMIC)).toThrow(
      "set_float_to_observed_mapping is currently only supported for static quantization",
    );
    expect(() =>
      PrepareCustomConfig.fromDict({
        float_to_observed_custom_module_class: { weight_only: new Map([[nn.Identity, Observed]]) },
      }),
    ).toThrow(/only supported for static quantization/);
  });

  it("refuses what are no positions, and unknown keys", () => {
    expect(() => new PrepareCustomConfig().setInputQuantizedIndexes([0, -1])).toThrow(
      "setInputQuantizedIndexes: expects positions counted from 0, got -1",
    );
    expect(() => new PrepareCustomConfig().setOutputQuantizedIndexes([0.5])).toThrow(/got 0\.5/);
    expect(() => PrepareCustomConfig.fromDict({ inputQuantizedIdxs: [0] } as never)).toThrow(
      /PrepareCustomConfig\.fromDict: unknown key "inputQuantizedIdxs"/,
    );
  });
});

describe("ConvertCustomConfig", () => {
  const config = new ConvertCustomConfig()
    .setObservedToQuantizedMapping(Observed, Quantized)
    .setObservedToQuantizedMapping(nn.Linear, Quantized, QuantType.DYNAMIC)
    .setPreservedAttributes(["tag"]);
  const dict = {
    observed_to_quantized_custom_module_class: {
      static: new Map([[Observed, Quantized]]),
      dynamic: new Map([[nn.Linear, Quantized]]),
    },
    preserved_attributes: ["tag"],
  };

  it("goes to plain data and back", () => {
    expect(config.observedToQuantizedMapping.get(QuantType.STATIC)?.get(Observed)).toBe(Quantized);
    expect(config.toDict()).toEqual(dict);
    expect(ConvertCustomConfig.fromDict(config.toDict())).toEqual(config);
    expect(new ConvertCustomConfig().toDict()).toEqual({});
  });

  it("refuses unknown keys and kinds of quantization", () => {
    expect(() => ConvertCustomConfig.fromDict({ observed: 1 } as never)).toThrow(/unknown key "observed"/);
    const unknownKind = { observed_to_quantized_custom_module_class: { sometimes: new Map([[Observed, Quantized]]) } };
    expect(() => ConvertCustomConfig.fromDict(unknownKind as never)).toThrow(/sometimes/);
  });
});

describe("FuseCustomConfig", () => {
  it("goes to plain data and back", () => {
    const config = new FuseCustomConfig().setPreservedAttributes(["tag"]);
    expect(config.toDict()).toEqual({ preserved_attributes: ["tag"] });
    expect(FuseCustomConfig.fromDict(config.toDict())).toEqual(config);
    expect(new FuseCustomConfig().toDict()).toEqual({});
    expect(() => FuseCustomConfig.fromDict({ preserve: [] } as never)).toThrow(/unknown key "preserve"/);
  });
});
