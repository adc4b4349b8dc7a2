/** QConfigs and mappings: construction, equality, questions, lookup, printing, errors. Defaults are in defaults.test.ts. */
import { describe, expect, it } from "vitest";
import * as octet from "../../src/index.ts";
import { nn, quantization as q } from "../../src/index.ts";
import { withWarnings } from "../../src/core/warnings.ts";

const { float16, qint8, quint8 } = octet;
const a = new q.QConfig(q.MinMaxObserver, q.defaultWeightObserver);
const b = new q.QConfig(q.HistogramObserver, q.defaultWeightObserver);
const c = new q.QConfig(q.NoopObserver, q.NoopObserver);

describe("QConfig", () => {
  it("takes its constructors in order or by name", () => {
    const named = new q.QConfig({ weight: q.defaultWeightObserver, activation: q.MinMaxObserver });
    expect(q.qconfigEquals(named, a)).toBe(true);
    expect(Object.isFrozen(named)).toBe(true);
  });

  it("refuses observers that exist already", () => {
    const message =
      "QConfig received observer instance, please pass observer class instead. " +
      "Use MyObserver.withArgs({ x: 1 }) to override arguments to constructor if needed";
    const observer = new q.MinMaxObserver();
    expect(() => new q.QConfig(observer as never, q.MinMaxObserver)).toThrow(message);
    expect(() => new q.QConfig(q.MinMaxObserver, observer as never)).toThrow(message);
    expect(() => new q.QConfig({ activation: observer as never, weight: null })).toThrow(message);
  });

  it("prints as the code that makes it", () => {
    expect(String(q.defaultQconfig)).toBe(
      "QConfig(activation=MinMaxObserver.withArgs({ quantMin: 0, quantMax: 127 }), " +
        "weight=MinMaxObserver.withArgs({ dtype: torch.qint8, qscheme: torch.per_tensor_symmetric }))",
    );
    expect(String(q._defaultQuint8PlaceholderQconfig)).toContain("weight=None");
  });

  it("is deprecated under its dynamic name", () => {
    const messages: string[] = [];
    const dynamic = withWarnings(
      (m) => messages.push(m),
      () => new q.QConfigDynamic({ weight: q.MinMaxObserver }),
    );
    expect(messages).toEqual(["`QConfigDynamic` is deprecated, please use `QConfig` instead"]);
    expect([dynamic.activation, dynamic.weight]).toEqual([nn.Identity, q.MinMaxObserver]);
  });
});

describe("qconfigEquals", () => {
  it("compares what would be made", () => {
    const make = (reduceRange: boolean) =>
      new q.QConfig(q.HistogramObserver.withArgs({ reduceRange }), q.MinMaxObserver);
    expect(q.qconfigEquals(make(true), make(true))).toBe(true);
    expect(q.qconfigEquals(make(true), make(false))).toBe(false);
    expect(q.qconfigEquals(a, b)).toBe(false);
    expect(q.qconfigEquals(null, null)).toBe(true);
    expect(q.qconfigEquals(a, null)).toBe(false);
  });

  it("looks into the observers of fake-quantize modules", () => {
    const make = (averagingConstant: number) =>
      new q.QConfig(
        q.FakeQuantize.withArgs({ observer: q.MovingAverageMinMaxObserver.withArgs({ averagingConstant }) }),
        q.defaultWeightFakeQuant,
      );
    expect(q.qconfigEquals(make(0.5), make(0.5))).toBe(true);
    expect(q.qconfigEquals(make(0.5), make(0.1))).toBe(false);
    for (const backend of ["x86", "qnnpack"] as const) {
      expect(q.qconfigEquals(q.getDefaultQatQconfig(backend), q.getDefaultQatQconfig(backend))).toBe(true);
    }
    expect(q.qconfigEquals(q.getDefaultQatQconfig("x86", 0), q.getDefaultQatQconfig("x86", 1))).toBe(false);
  });
});

describe("factories", () => {
  it("make a new instance each time, later options winning", () => {
    const factory = q.MinMaxObserver.withArgs({ quantMin: 0, quantMax: 127 }).withArgs({ quantMax: 63 });
    const [one, two] = [factory.create(), factory.create()];
    expect(one).not.toBe(two);
    expect([one.quantMin, one.quantMax]).toEqual([0, 63]);
    expect(q.create(q.MinMaxObserver)).toBeInstanceOf(q.MinMaxObserver);
  });

  it("compute options anew for each instance", () => {
    let calls = 0;
    const factory = q.MinMaxObserver.withCallableArgs({ eps: () => ++calls });
    expect([factory.create().eps.item(), factory.create().eps.item()]).toEqual([1, 2]);
    expect(factory.withArgs({ eps: 9 }).create().eps.item()).toBe(9);
    expect(
      factory
        .withArgs({ eps: 9 })
        .withCallableArgs({ eps: () => 5 })
        .create()
        .eps.item(),
    ).toBe(5);
  });
});

describe("by engine", () => {
  const cases: readonly (readonly [() => unknown, string])[] = [
    [
      () => q.getDefaultQconfig("foo" as never),
      "backend: foo not supported. backend must be one of ['fbgemm', 'x86', 'qnnpack', 'onednn']",
    ],
    [
      () => q.getDefaultQatQconfig("foo" as never),
      "backend: foo not supported. backend must be one of ['fbgemm', 'x86', 'qnnpack', 'onednn']",
    ],
    [() => q.getDefaultQconfigMapping("foo" as never), "backend: foo not supported"],
    [
      () => q.getDefaultQconfig("x86", 1),
      "Version number: 1 in get_default_qconfig is not supported. Version number must be 0",
    ],
    [
      () => q.getDefaultQatQconfig("x86", 2),
      "Version number: 2in get_default_qat_qconfig is not supported. Version number must be 0 or 1",
    ],
  ];
  for (const [call, message] of cases) it(`refuses: ${message}`, () => expect(call).toThrow(message));

  it("chooses x86 and the newest version by default", () => {
    expect(q.qconfigEquals(q.getDefaultQconfig(), q.getDefaultQconfig("x86", 0))).toBe(true);
    expect(q.qconfigEquals(q.getDefaultQatQconfig(), q.getDefaultQatQconfig("x86", 1))).toBe(true);
    expect(q.getDefaultQatQconfigMapping().toDict()).toEqual(q.getDefaultQatQconfigMapping("x86", 1).toDict());
  });
});

describe("questions", () => {
  it("per-channel weights do not go with transposed convolutions", () => {
    const transposed = new nn.ConvTranspose2d(1, 1, 1);
    expect(() => q._assertValidQconfig(q.defaultPerChannelQconfig, transposed)).toThrow(
      "Per channel weight observer is not supported yet for ConvTranspose{n}d.",
    );
    q._assertValidQconfig(q.defaultPerChannelQconfig, new nn.Conv2d(1, 1, 1));
    q._assertValidQconfig(q.defaultQconfig, transposed);
    q._assertValidQconfig(null, transposed);
    q._assertValidQconfig(q._defaultQuint8PlaceholderQconfig, transposed);
  });

  it("activations without memory, and shared observers", () => {
    expect(q._activationIsMemoryless(q.defaultDynamicQatQconfig)).toBe(true);
    expect(q._activationIsMemoryless(q.defaultQatQconfig)).toBe(false);
    expect(q._activationIsMemoryless(q.defaultQconfig)).toBe(false);
    expect(q._isReuseInputQconfig(q.defaultReuseInputQconfig)).toBe(true);
    expect(q._isReuseInputQconfig(q.defaultQconfig)).toBe(false);
    expect(q._isReuseInputQconfig(null)).toBe(false);
  });

  it("dtypes", () => {
    expect(q.getQconfigDtypes(q.defaultDynamicQconfig)).toEqual([quint8, qint8, true]);
    expect([q.activationDtype(q.float16StaticQconfig), q.weightDtype(q.defaultQconfig)]).toEqual([float16, qint8]);
    const answers = (qconfig: q.QConfig) =>
      [
        q.activationIsStaticallyQuantized,
        q.activationIsDynamicallyQuantized,
        q.activationIsInt8Quantized,
        q.activationIsInt32Quantized,
        q.weightIsQuantized,
        q.weightIsStaticallyQuantized,
        q.opIsInt8DynamicallyQuantized,
      ].map((ask) => (ask(qconfig) ? "1" : "0"));
    expect(answers(q.defaultQconfig).join("")).toBe("1010110");
    expect(answers(q.defaultDynamicQconfig).join("")).toBe("0110111");
    expect(answers(q.float16StaticQconfig).join("")).toBe("1000100");
    expect(answers(q.float16DynamicQconfig).join("")).toBe("0100100");
    expect(answers(q.floatQparamsWeightOnlyQconfig4bit).join("")).toBe("0000100");
  });

  it("all that is needed to quantize a tensor", () => {
    const observer = q.defaultPerChannelWeightObserver.create();
    observer(
      octet.tensor([
        [1, -2],
        [3, 4],
      ]),
    );
    const { qscheme, dtype, axis, quantMin, quantMax, scale, zeroPoint } = q.getQparamDict(observer);
    expect([qscheme, dtype, axis, quantMin, quantMax]).toEqual([octet.perChannelAffine, qint8, 0, -128, 127]);
    expect([scale.numel(), zeroPoint.tolist()]).toEqual([2, [0, 0]]);
    expect(q.toUnderlyingDtype(octet.quint4x2)).toBe(octet.uint8);
    expect(() => q.toUnderlyingDtype(float16)).toThrow("Unsupported dtype: torch.float16");
  });
});

describe("QConfigMapping", () => {
  const type = nn.Linear;
  const full = () =>
    new q.QConfigMapping()
      .setGlobal(a)
      .setObjectType(type, b)
      .setObjectType(nn.functional.linear, null)
      .setObjectType("reshape", c)
      .setModuleNameRegex("layer[0-9]+\\.conv", b)
      .setModuleNameRegex("layer", c)
      .setModuleName("layer1", null)
      .setModuleName("head.fc", a)
      .setModuleNameObjectTypeOrder("head", type, 1, c);

  it("sets and replaces rules", () => {
    const mapping = full();
    mapping.setModuleNameObjectTypeOrder("head", type, 1, a).setModuleNameObjectTypeOrder("head", type, 0, b);
    mapping.setModuleNameRegex("layer[0-9]+\\.conv", a);
    expect(mapping.moduleNameObjectTypeOrderQconfigs.map(({ index, qconfig }) => [index, qconfig])).toEqual([
      [1, a],
      [0, b],
    ]);
    expect([...mapping.moduleNameRegexQconfigs]).toEqual([
      ["layer[0-9]+\\.conv", a],
      ["layer", c],
    ]);
  });

  it("becomes plain data and back", () => {
    const dict = full().toDict();
    expect(dict).toEqual({
      "": a,
      object_type: [
        [type, b],
        [nn.functional.linear, null],
        ["reshape", c],
      ],
      module_name_regex: [
        ["layer[0-9]+\\.conv", b],
        ["layer", c],
      ],
      module_name: [
        ["layer1", null],
        ["head.fc", a],
      ],
      module_name_object_type_order: [["head", type, 1, c]],
    });
    expect(q.QConfigMapping.fromDict(dict).toDict()).toEqual(dict);
    expect(q.QConfigMapping.fromDict({}).toDict()).toEqual(new q.QConfigMapping().toDict());
    expect(() => q.QConfigMapping.fromDict({ object_types: [] } as never)).toThrow('unknown key "object_types"');
  });

  it("looks up types, regular expressions, paths and uses, by increasing priority", () => {
    const mapping = full();
    const find = (moduleType: q.ObjectType, path: string) =>
      q._maybeAdjustQconfigForModuleTypeOrName(mapping, moduleType, path, mapping.globalQconfig);
    expect(find(nn.ReLU, "other")).toBe(a);
    expect(find(type, "other")).toBe(b);
    expect(find("reshape", "other")).toBe(c);
    expect(find(type, "layer2.conv1"), "the first pattern that matches").toBe(b);
    expect(find(type, "layer2.bn"), "anchored at the beginning only").toBe(c);
    expect(find(type, "my.layer"), "anchored at the beginning").toBe(b);
    expect(find(type, "layer1"), "null: stays float").toBeNull();
    expect(find(type, "layer1.0.conv"), "below a module that is named").toBeNull();
    expect(find(type, "head"), "not above").toBe(b);
    expect(find(nn.ReLU, ""), "the root has no name").toBe(a);
    const order = (index: number) => q._maybeAdjustQconfigForModuleNameObjectTypeOrder(mapping, "head", type, index, a);
    expect([order(0), order(1)]).toEqual([a, c]);
  });

  it("refuses patterns that are none", () => {
    expect(() => new q.QConfigMapping().setModuleNameRegex("(", a)).toThrow('"(" is not a regular expression');
  });

  it("prints all five kinds of rules", () => {
    const empty = new q.QConfigMapping().toString();
    expect(empty).toBe(
      "QConfigMapping (\n global_qconfig\n  None\n object_type_qconfigs\n  OrderedDict()\n " +
        "module_name_regex_qconfigs\n  OrderedDict()\n module_name_qconfigs\n  OrderedDict()\n " +
        "module_name_object_type_order_qconfigs\n  OrderedDict()\n)",
    );
    expect(full().toString().split("\n")).toEqual([
      "QConfigMapping (",
      " global_qconfig",
      `  ${a}`,
      " object_type_qconfigs",
      `  Linear: ${b}`,
      "  linear: None",
      `  reshape: ${c}`,
      " module_name_regex_qconfigs",
      `  layer[0-9]+\\.conv: ${b}`,
      `  layer: ${c}`,
      " module_name_qconfigs",
      "  layer1: None",
      `  head.fc: ${a}`,
      " module_name_object_type_order_qconfigs",
      `  ('head', Linear, 1): ${c}`,
      ")",
    ]);
  });
});

describe("kinds of quantization", () => {
  it("have names", () => {
    expect(q._quantTypeFromStr("weight_only")).toBe(q.QuantType.WEIGHT_ONLY);
    expect(() => q._quantTypeFromStr("foo")).toThrow("Unknown QuantType name 'foo'");
  });
});

describe("engines", () => {
  it("are set, scoped and checked", () => {
    const { quantized } = octet.backends;
    expect(quantized.engine).toBe("x86");
    expect(quantized.supportedEngines).toEqual(["qnnpack", "none", "onednn", "x86", "fbgemm"]);
    expect(q.withEngine("qnnpack", () => quantized.engine)).toBe("qnnpack");
    expect(quantized.engine).toBe("x86");
    expect(() => (quantized.engine = "foo" as never)).toThrow("foo is not a valid value for quantized engine");
    quantized.engine = "onednn";
    expect(quantized.engine).toBe("onednn");
    quantized.engine = "x86";
  });
});
