/** What `explain` says of operators, and that the lowered graph does what it says. */
import { describe, expect, it } from "vitest";
import type { Tensor, fx } from "../../../src/index.ts";
import { nn, noGrad, qint8, quantization as q, rand, randint, randn, relu } from "../../../src/index.ts";
import { withWarnings } from "../../../src/core/warnings.ts";
import { networks } from "./networks.ts";

/** A converted model, calibrated on `inputs`. */
function converted(
  model: nn.Module,
  mapping: q.QConfigMapping,
  inputs: readonly Tensor[],
  convert: (graph: fx.GraphModule) => fx.GraphModule = q.convertFx,
): fx.GraphModule {
  return q.withEngine("qnnpack", () =>
    noGrad(() =>
      withWarnings(
        () => {},
        () => {
          const prepared = q.prepareFx(model.eval(), mapping, inputs);
          const [x, ...others] = inputs;
          prepared(x, ...others);
          return convert(prepared);
        },
      ),
    ),
  );
}

const brief = (graph: nn.Module) => q.explain(graph).map(({ node, detail }) => [node, detail]);
const defaults = () => q.getDefaultQconfigMapping("qnnpack");

class Small extends nn.Module {
  fc = new nn.Linear(4, 4);
  norm = new nn.BatchNorm1d(4);
  w = new nn.Parameter(randn([3, 4]));

  override forward(x: Tensor): Tensor {
    const y = this.norm(relu(this.fc(x)));
    return nn.functional.gelu(nn.functional.linear(y, this.w).add(1));
  }
}

describe("explain", () => {
  const x = randn([5, 4]);

  it("says how operators are quantized, and why not", () => {
    expect(q.explain(converted(new Small(), defaults(), [x]))).toEqual([
      { node: "fc", operator: "LinearReLU", module: "fc", quantized: true, detail: "static: QuantizedLinearReLU" },
      {
        node: "norm",
        operator: "BatchNorm1d",
        module: "norm",
        quantized: false,
        detail: "the backend has no pattern for this operator",
      },
      {
        node: "linear",
        operator: "torch._C._nn.linear",
        module: "",
        quantized: true,
        detail: "static: torch.ops.quantized.linear",
      },
      { node: "add", operator: "operator.add", module: "", quantized: true, detail: "static: torch.ops.quantized.add" },
      {
        node: "gelu",
        operator: "torch._C._nn.gelu",
        module: "",
        quantized: false,
        detail: "the backend has no pattern for this operator",
      },
    ]);
  });

  it("says of the reference form that it is one", () => {
    const details = q
      .explain(converted(new Small(), defaults(), [x], q.convertToReferenceFx))
      .map(({ detail }) => detail);
    expect(details[0]).toBe("static: reference form");
    expect(details[2]).toBe("static: reference form");
  });

  it("tells dynamic, float16 and weight-only quantization from static", () => {
    const linear = (qconfig: q.QConfig) => {
      const model = new nn.Sequential(new nn.Linear(4, 4));
      return brief(converted(model, new q.QConfigMapping().setGlobal(qconfig), [x]));
    };
    expect(linear(q.defaultDynamicQconfig)).toEqual([["_0", "dynamic: DynamicQuantizedLinear"]]);
    expect(linear(q.float16DynamicQconfig)).toEqual([["_0", "dynamic: DynamicQuantizedLinear"]]);
    expect(linear(q.float16StaticQconfig)).toEqual([
      [
        "_0",
        "the backend cannot serve its qconfig: the qconfig asks for torch.float16 as input, the backend has torch.quint8",
      ],
    ]);
    const embedding = new nn.Sequential(new nn.Embedding(9, 4), new nn.Linear(4, 2));
    const mapping = defaults().setObjectType(nn.Embedding, q.floatQparamsWeightOnlyQconfig);
    expect(brief(converted(embedding, mapping, [randint(0, 9, [3])]))).toEqual([
      ["_0", "weight_only: QuantizedEmbedding"],
      ["_1", "static: QuantizedLinear"],
    ]);
  });

  it("gives each reason for floats", () => {
    const signed = new q.QConfig({
      activation: q.MinMaxObserver.withArgs({ dtype: qint8 }),
      weight: q.defaultWeightObserver,
    });
    const model = new nn.Sequential(new nn.Linear(4, 4), new nn.Linear(4, 4), new nn.Softsign(), new nn.Sigmoid());
    const mapping = new q.QConfigMapping()
      .setGlobal(q.getDefaultQconfig("qnnpack"))
      .setModuleName("0", null)
      .setModuleName("1", signed);
    expect(brief(converted(model, mapping, [x]))).toEqual([
      ["_0", "its qconfig is null"],
      [
        "_1",
        "the backend cannot serve its qconfig: the qconfig asks for torch.qint8 as input, the backend has torch.quint8",
      ],
      ["_2", "the backend has no pattern for this operator"],
      [
        "_3",
        "the backend cannot serve its qconfig: an operator with a known output range needs a FixedQParamsObserver or " +
          "FixedQParamsFakeQuantize, which getDefaultQconfigMapping and getDefaultQatQconfigMapping provide",
      ],
    ]);
  });

  it("follows a second mapping at conversion", () => {
    const model = new nn.Sequential(new nn.Linear(4, 4), new nn.Linear(4, 4));
    const convert = (graph: fx.GraphModule) =>
      q.convertFx(graph, { qconfigMapping: defaults().setModuleName("1", null) });
    const prepared = defaults().setModuleName("1", q.getDefaultQconfig("qnnpack"));
    expect(brief(converted(model, prepared, [x], convert))).toEqual([
      ["_0", "static: QuantizedLinear"],
      ["_1", "its qconfig is null"],
    ]);
  });

  it("expects what was converted", () => {
    expect(() => q.explain(new nn.Linear(2, 2))).toThrow(/explain: expects a graph module that convertFx/);
    expect(() => q.explain(q.prepareFx(new nn.Linear(2, 2).eval(), defaults(), x))).toThrow(/convertFx/);
  });

  it("prints a table", () => {
    const net = networks.residual.make();
    const mapping = defaults().setModuleName("fc", null);
    const table = q.formatExplanations(q.explain(converted(net, mapping, [rand([2, 3, 8, 8])])));
    expect(table).toMatchInlineSnapshot(`
      "node     operator                  quantized  how or why
      conv1    ConvReLU2d                yes        static: QuantizedConvReLU2d
      conv2    Conv2d                    yes        static: QuantizedConv2d
      down_0   Conv2d                    yes        static: QuantizedConv2d
      add      operator.add              yes        static: torch.ops.quantized.add_relu
      relu_1   torch.nn.functional.relu  yes        static: torch.ops.quantized.add_relu
      pool     AdaptiveAvgPool2d         yes        static: AdaptiveAvgPool2d
      flatten  torch.flatten             yes        static: torch.flatten
      fc       Linear                    no         its qconfig is null"
    `);
  });
});

describe("ReLU behind an operator whose own value is read, too", () => {
  class Both extends nn.Module {
    w = new nn.Parameter(randn([4, 4]));

    override forward(x: Tensor): Tensor[] {
      const y = nn.functional.linear(x, this.w);
      return [y, relu(y)];
    }
  }
  const x = randn([5, 4]);

  for (const [name, qconfigs] of [
    ["static", defaults()],
    ["dynamic", new q.QConfigMapping().setGlobal(q.defaultDynamicQconfig)],
    ["static, with a ReLU in float", defaults().setObjectType(relu, null)],
    [
      "dynamic, with a ReLU in float",
      new q.QConfigMapping().setGlobal(q.defaultDynamicQconfig).setObjectType(relu, null),
    ],
  ] as const) {
    it(`is not fused with it: ${name}`, () => {
      const model = new Both();
      const int8 = converted(model, qconfigs, [x]);
      const [before, after] = q.withEngine("qnnpack", () => int8(x)) as Tensor[];
      const float = noGrad(() => model(x));
      expect(before.min().item()).toBeLessThan(0);
      expect(before.sub(float[0]).abs().max().item()).toBeLessThan(0.15);
      expect(after).toEqual(before.relu());
    });
  }
});
