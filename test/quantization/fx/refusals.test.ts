/** What graph mode refuses, and what it warns of. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../src/index.ts";
import { add, cat, fx, nn, noGrad, qint8, quantization as q, randn, relu } from "../../../src/index.ts";
import { withWarnings } from "../../../src/core/warnings.ts";
import { listing } from "./support.ts";

const x = randn([4, 3]);
const mapping = () => q.getDefaultQconfigMapping("qnnpack");

class Net extends nn.Module {
  fc1 = new nn.Linear(3, 3);
  block = new nn.Sequential(new nn.Linear(3, 3), new nn.Sigmoid());
  tag = "kept";

  override forward(input: Tensor): Tensor {
    return this.block(relu(this.fc1(input))) as Tensor;
  }
}

/** The warnings of preparing a model. */
function warningsOf(model: nn.Module, qconfigs: q.QConfigMapping, prepareCustomConfig = new q.PrepareCustomConfig()) {
  const warnings: string[] = [];
  withWarnings(
    (message) => warnings.push(message),
    () => q.prepareFx(model, qconfigs, x, { prepareCustomConfig }),
  );
  return warnings;
}

function prepared(model: nn.Module = new Net().eval(), prepareCustomConfig = new q.PrepareCustomConfig()) {
  return q.prepareFx(model, mapping(), x, { prepareCustomConfig });
}

function calibrated(model?: nn.Module, prepareCustomConfig?: q.PrepareCustomConfig) {
  const graph = prepared(model, prepareCustomConfig);
  noGrad(() => graph(x) as unknown);
  return graph;
}

describe("models that cannot be traced", () => {
  const refused = (forward: (input: Tensor) => unknown) => {
    class Untraceable extends nn.Module {
      override forward(input: Tensor): unknown {
        return forward(input);
      }
    }
    return () => prepared(new Untraceable().eval());
  };

  it("says what to write instead", () => {
    const cases: readonly (readonly [(input: Tensor) => unknown, RegExp])[] = [
      [(t) => (t.sum().item() > 0 ? t : t.neg()), /item: this needs the values of a tensor.*fx\.wrap/],
      [(t) => ((t.sum() as unknown as number) > 0 ? t : t.neg()), /control flow|number|gt/],
      [(t) => [...(t as unknown as Iterable<Tensor>)].map((row) => row.relu()), /./],
      [(t) => t.tolist(), /tolist: this needs the values of a tensor/],
    ];
    for (const [forward, message] of cases) {
      expect(refused(forward)).toThrow(fx.TraceError);
      expect(refused(forward)).toThrow(message);
    }
  });

  it("leaves modules whole that are said not to be traceable", () => {
    class ByValue extends nn.Module {
      override forward(input: Tensor): Tensor {
        return input.sum().item() > 0 ? input : input.neg();
      }
    }
    const model = new nn.Sequential(new nn.Linear(3, 3), new ByValue()).eval();
    expect(() => prepared(model)).toThrow(fx.TraceError);
    const custom = new q.PrepareCustomConfig().setNonTraceableModuleClasses([ByValue]);
    expect(listing(prepared(model, custom))).toContainEqual(["call_module", "_1", "1"]);
  });
});

describe("the order of steps", () => {
  it("refuses to prepare what was prepared, but takes what was converted", () => {
    const message = "the model was prepared before; convert that, or prepare the float model again";
    expect(() => q.prepareFx(prepared(), mapping(), x)).toThrow(`prepare_fx: ${message}`);
    expect(() => q.prepareQatFx(prepared(), q.getDefaultQatQconfigMapping(), x)).toThrow(`prepare_qat_fx: ${message}`);
    const inside = new nn.Sequential(prepared()).eval();
    expect(() => q.prepareFx(inside, mapping(), x)).toThrow('prepare_fx: "0" was prepared before');
    q.withEngine("qnnpack", () => {
      const int8 = q.convertFx(calibrated());
      expect(q.prepareFx(int8, mapping(), x)(x)).toEqual(int8(x));
    });
  });

  it("refuses to convert what was not prepared, not calibrated, or converted before", () => {
    const message = "incoming model must be produced by prepare_fx: prepare and calibrate it first";
    expect(() => q.convertFx(new Net() as never)).toThrow("input model must be a GraphModule, Got type:Net");
    expect(() => q.convertFx(null as never)).toThrow("input model must be a GraphModule, Got type:null");
    expect(() => q.convertFx(fx.symbolicTrace(new Net()))).toThrow(message);
    for (const convert of [q.convertFx, q.convertToReferenceFx]) {
      expect(() => convert(prepared())).toThrow(
        /convert_fx: 3 observers have seen no data: activation_post_process_0 \(output of input_1\), activation_post_process_1/,
      );
      expect(() => convert(convert(calibrated()))).toThrow(message);
    }
  });

  it("converts without calibration where a state is loaded next", () => {
    q.withEngine("qnnpack", () => {
      const net = new Net().eval();
      const int8 = q.convertFx(calibrated(net));
      const other = withWarnings(
        () => {},
        () => q.convertFx(prepared(), { allowUncalibrated: true }),
      );
      other.loadStateDict(int8.stateDict());
      expect(other(x)).toEqual(int8(x));
    });
  });

  it("warns of training mode, in which nothing can be folded", () => {
    expect(warningsOf(new Net().train(), mapping())).toEqual([
      "prepare_fx: the model is in training mode; call eval() before it is prepared",
    ]);
    const folded = new nn.Sequential(new nn.Linear(3, 3), new nn.BatchNorm1d(3));
    const refused = () =>
      withWarnings(
        () => {},
        () => prepared(folded.train()),
      );
    expect(refused).toThrow("Fusion only for eval!: call eval() on the model first");
    expect(() => q.fuseFx(folded.train())).toThrow("Fusion only for eval!");
    // For training, modules are fused in either mode.
    const qat = q.prepareQatFx(folded.eval(), q.getDefaultQatQconfigMapping("qnnpack"), x);
    expect(qat.getSubmodule("0").getName()).toBe("LinearBn1d");
  });
});

describe("rules that match nothing", () => {
  const unmatched = "prepare_fx: rules of the QConfigMapping that match no operator of the model:";

  it("are told, all at once", () => {
    const qconfigs = mapping()
      .setObjectType(nn.Conv2d, null)
      .setObjectType(nn.LSTM, null)
      .setObjectType(cat, null)
      .setModuleName("fc2", null)
      .setModuleName("block.2", null)
      .setModuleNameRegex("bloc$", null)
      .setModuleNameObjectTypeOrder("", relu, 1, null)
      .setModuleNameObjectTypeOrder("block", nn.Linear, 1, null);
    expect(warningsOf(new Net().eval(), qconfigs)).toEqual([
      `${unmatched} object_type Conv2d, object_type LSTM, object_type torch.cat, module_name "fc2", ` +
        'module_name "block.2", module_name_regex "bloc$", module_name_object_type_order ("", torch.nn.functional.relu, 1), ' +
        'module_name_object_type_order ("block", Linear, 1)',
    ]);
  });

  it("are not those of the default mappings, nor such as match a module, its parts, or what is fused later", () => {
    const qconfigs = mapping()
      .setObjectType(nn.Linear, q.getDefaultQconfig("qnnpack"))
      .setObjectType(nn.ReLU, q.getDefaultQconfig("qnnpack")) // with which Linear is fused
      .setObjectType(relu, q.getDefaultQconfig("qnnpack"))
      .setModuleName("block", null)
      .setModuleName("block.1", null)
      .setModuleNameRegex("b", null)
      .setModuleNameObjectTypeOrder("", relu, 0, null)
      .setModuleNameObjectTypeOrder("block", nn.Linear, 0, null);
    expect(warningsOf(new Net().eval(), qconfigs)).toEqual([]);
  });
});

describe("qconfigs that the backend cannot serve", () => {
  it("are told once, with the operators and the reason", () => {
    const signed = new q.QConfig({
      activation: q.MinMaxObserver.withArgs({ dtype: qint8 }),
      weight: q.defaultWeightObserver,
    });
    const qconfigs = mapping().setObjectType(nn.Linear, signed).setObjectType(nn.ReLU, signed);
    expect(warningsOf(new Net().eval(), qconfigs)).toEqual([
      "prepare_fx: the backend cannot serve the qconfig of LinearReLU (fc1), Linear (block.0), left in float: " +
        "the qconfig asks for torch.qint8 as input, the backend has torch.quint8",
    ]);
  });

  it("include those of operators whose output range is known", () => {
    const qconfigs = new q.QConfigMapping().setGlobal(q.getDefaultQconfig("qnnpack"));
    expect(warningsOf(new Net().eval(), qconfigs)).toEqual([
      "prepare_fx: the backend cannot serve the qconfig of Sigmoid (block.1), left in float: an operator with a known " +
        "output range needs a FixedQParamsObserver or FixedQParamsFakeQuantize, which getDefaultQconfigMapping and " +
        "getDefaultQatQconfigMapping provide",
    ]);
  });

  it("are expected of operators without weights, if activations are quantized dynamically", () => {
    const qconfigs = () => new q.QConfigMapping().setGlobal(q.defaultDynamicQconfig);
    expect(warningsOf(new Net().eval(), qconfigs())).toEqual([]);
    const conv = new nn.Sequential(new nn.Conv2d(3, 3, 1), new nn.ReLU()).eval();
    expect(warningsOf(conv, qconfigs())).toEqual([
      "prepare_fx: the backend cannot serve the qconfig of ConvReLU2d (0), left in float: the backend does not quantize " +
        "its input dynamically",
    ]);
  });
});

describe("custom configs that do not fit the model", () => {
  const config = () => new q.PrepareCustomConfig();

  it("name attributes that are not there", () => {
    expect(() => prepared(new Net().eval(), config().setPreservedAttributes(["depth"]))).toThrow(
      'preserved attribute "depth": the model has none of that name',
    );
    const fuseCustomConfig = new q.FuseCustomConfig().setPreservedAttributes(["depth"]);
    expect(() => q.fuseFx(new Net().eval(), { fuseCustomConfig })).toThrow(/"depth"/);
    const convertCustomConfig = new q.ConvertCustomConfig().setPreservedAttributes(["depth"]);
    expect(() => q.convertFx(calibrated(), { convertCustomConfig })).toThrow(/"depth"/);
  });

  it("keep attributes that are there", () => {
    const graph = calibrated(new Net().eval(), config().setPreservedAttributes(["tag"]));
    expect((graph as unknown as Net).tag).toBe("kept");
    const convertCustomConfig = new q.ConvertCustomConfig().setPreservedAttributes(["tag"]);
    expect((q.convertFx(graph, { convertCustomConfig }) as unknown as Net).tag).toBe("kept");
  });

  it("number inputs and outputs beyond range", () => {
    expect(() => prepared(undefined, config().setInputQuantizedIndexes([0, 1]))).toThrow(
      "prepare_fx: inputQuantizedIndexes has 1; number of inputs of the model: 1, number 0",
    );
    expect(() => prepared(undefined, config().setOutputQuantizedIndexes([1]))).toThrow(
      "prepare_fx: outputQuantizedIndexes has 1; number of outputs of the model: 1, number 0",
    );
    class Two extends nn.Module {
      fc = new nn.Linear(3, 3);

      override forward(input: Tensor): Tensor[] {
        const y = this.fc(input);
        return [y, y.add(y)];
      }
    }
    expect(() => prepared(new Two().eval(), config().setOutputQuantizedIndexes([1, 2]))).toThrow(
      "outputQuantizedIndexes has 2; number of outputs of the model: 2, numbers 0 to 1",
    );
    const [first, second] = q.withEngine("qnnpack", () =>
      q.convertFx(calibrated(new Two().eval(), config().setOutputQuantizedIndexes([1])))(x),
    ) as Tensor[];
    expect([first.isQuantized, second.isQuantized]).toEqual([false, true]);
  });

  it("make a module stand alone that returns a tuple", () => {
    class Pair extends nn.Module {
      override forward(input: Tensor): Tensor[] {
        return [input, add(input, input)];
      }
    }
    class First extends nn.Module {
      pair = new Pair();

      override forward(input: Tensor): Tensor {
        return this.pair(input)[0];
      }
    }
    const alone = config().setStandaloneModuleName("pair", null, x, null, null);
    expect(() => prepared(new First().eval(), alone)).toThrow(
      "pair: standalone module only supports returning simple value currently(not tuple, dict etc.)",
    );
  });

  it("keep attributes of standalone modules, and tell of rules that match nothing in them", () => {
    class Block extends nn.Module {
      fc = new nn.Linear(3, 3);
      depth = 7;

      override forward(input: Tensor): Tensor {
        return this.fc(input);
      }
    }
    const model = new nn.Sequential(new Block()).eval();
    const inner = config().setPreservedAttributes(["depth"]);
    const rules = mapping().setModuleName("fc3", null);
    const alone = config().setStandaloneModuleClass(Block, rules, x, inner, null);
    expect(warningsOf(model, mapping(), alone)).toEqual([
      'prepare_fx: rules of the QConfigMapping that match no operator of the model: module_name "fc3"',
    ]);
    const int8 = q.withEngine("qnnpack", () =>
      withWarnings(
        () => {},
        () => q.convertFx(calibrated(model, alone)),
      ),
    );
    expect((int8.getSubmodule("0") as unknown as Block).depth).toBe(7);
    expect(int8.getSubmodule("0.fc").getName()).toBe("QuantizedLinear");
  });
});

describe("modules in several places", () => {
  const image = randn([2, 3, 4, 4]);

  it("are fused with what follows each call", () => {
    class Shared extends nn.Module {
      conv = new nn.Conv2d(3, 2, 1);
      bn1 = new nn.BatchNorm2d(2);
      bn2 = new nn.BatchNorm2d(2);

      override forward(input: Tensor): Tensor {
        const parts = [
          this.bn1(this.conv(input)),
          this.bn2(this.conv(input)),
          relu(this.conv(input)),
          this.conv(input),
        ];
        return cat(parts, 1);
      }
    }
    const net = new Shared().eval();
    noGrad(() => {
      net.bn1.running_mean?.fill_(1);
      net.bn2.running_var?.fill_(4);
      const float = net(image);
      expect(q.fuseFx(net)(image).sub(float).abs().max().item()).toBeLessThan(1e-5);
      // Rules about the module hold wherever it is called.
      const partial = q.prepareFx(net, mapping().setModuleName("conv", null), image);
      partial(image);
      const explanations = q.explain(q.convertFx(partial));
      expect(explanations.map(({ quantized }) => quantized)).toEqual([false, false, false, false, true]);
      const observed = q.prepareFx(net, mapping(), image);
      expect(observed(image).sub(float).abs().max().item()).toBeLessThan(1e-5);
      const int8 = q.withEngine("qnnpack", () => q.convertFx(observed)(image)) as Tensor;
      const step = float.max().item() / 100;
      expect(int8.sub(float).abs().max().item()).toBeLessThan(4 * step);
    });
  });

  it("are one module under two names", () => {
    const linear = new nn.Linear(3, 3);
    const model = new nn.Sequential(linear, new nn.ReLU(), linear).eval();
    const int8 = q.withEngine("qnnpack", () => q.convertFx(calibrated(model)));
    const float = noGrad(() => model(x) as Tensor);
    expect(q.explain(int8).map(({ operator, quantized }) => [operator, quantized])).toEqual([
      ["LinearReLU", true],
      ["Linear", true],
    ]);
    const error = q.withEngine("qnnpack", () => (int8(x) as Tensor).sub(float).abs().max().item());
    expect(error).toBeLessThan(0.1);
  });
});
