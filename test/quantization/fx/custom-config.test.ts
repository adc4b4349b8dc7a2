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

const mapping = new QConfigMapping();
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

const completeDict = {
  standalone_module_name: [["block", mapping, [1], child, backend]],
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
