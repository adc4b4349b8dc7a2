/** checkStubs: what it finds is what fails after conversion, and where it finds nothing, the converted model runs. */
import { describe, expect, it } from "vitest";
import { add, cat, int64, nn, noGrad, quantization as q, randn, tensor } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";

const image = randn([2, 3, 8, 8]);

/** Four convolutions and the usual stubs; `forward` says what is wired how. */
class Net extends nn.Module {
  quant = new q.QuantStub();
  requant = new q.QuantStub();
  conv1 = new nn.Conv2d(3, 4, 3, { padding: 1 });
  relu = new nn.ReLU();
  block = new nn.Sequential(new nn.Conv2d(4, 4, 3, { padding: 1 }), new nn.ReLU());
  conv3 = new nn.Conv2d(4, 4, 1);
  skip = new nn.quantized.FloatFunctional();
  pool = new nn.MaxPool2d(2);
  fc = new nn.Linear(64, 2);
  dequant = new q.DeQuantStub();
  private readonly wiring: (net: Net, x: Tensor) => Tensor;

  constructor(wiring: (net: Net, x: Tensor) => Tensor) {
    super();
    this.wiring = wiring;
    this.qconfig = q.getDefaultQconfig("qnnpack");
  }

  override forward(x: Tensor): Tensor {
    return this.wiring(this, x);
  }
}

/** The error of the prepared, calibrated and converted model on the example, or null. */
function failureAfterConversion(model: nn.Module, inputs: readonly unknown[]): string | null {
  const prepared = q.prepare(model.deepCopy().eval());
  return noGrad(() => {
    prepared(...inputs);
    const int8 = q.convert(prepared);
    try {
      int8(...inputs);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  });
}

const withoutQconfig = (net: Net): Net => {
  (net.block.get(0) as nn.Conv2d).qconfig = null;
  return net;
};

describe("checkStubs", () => {
  const correct: Record<string, Net> = {
    "stubs at both ends": new Net((n, x) => n.dequant(n.fc(n.pool(n.relu(n.conv1(n.quant(x)))).flatten(1)))),
    "a FloatFunctional": new Net((n, x) => {
      const y = n.conv1(n.quant(x));
      return n.dequant(n.pool(n.skip.add(y, n.block(y))));
    }),
    "operators that have quantized forms": new Net((n, x) => {
      const [a, b] = n.conv1(n.quant(x)).chunk(2, 1);
      return n.dequant(
        cat([a.relu_(), b.sigmoid()], 1).transpose(1, 2).contiguous().view([2, -1]).clamp({ min: 0, max: 1 }),
      );
    }),
    "a float module between stubs": withoutQconfig(
      new Net((n, x) => n.dequant(n.conv3(n.requant(n.block(n.dequant(n.conv1(n.quant(x)))))))),
    ),
    "float arithmetic outside the stubs": new Net((n, x) => n.dequant(n.conv1(n.quant(x.mul(2).add(1)))).softmax(1)),
  };
  it.each(Object.keys(correct))("finds nothing in a correct model: %s", (name) => {
    expect(q.checkStubs(correct[name], image)).toEqual([]);
    expect(failureAfterConversion(correct[name], [image])).toBeNull();
  });

  const wrong: readonly [name: string, model: Net, findings: readonly Partial<q.StubFinding>[]][] = [
    [
      "a missing QuantStub",
      new Net((n, x) => n.dequant(n.conv1(x))),
      [
        {
          module: "conv1",
          class: "Conv2d",
          problem: "it gets a float tensor, but will need a quantized one",
          advice: "place a QuantStub before it",
        },
      ],
    ],
    [
      "a missing DeQuantStub before a module without qconfig, and the QuantStub after it",
      withoutQconfig(new Net((n, x) => n.dequant(n.conv3(n.block(n.conv1(n.quant(x))))))),
      [
        {
          module: "block.0",
          problem: "conv2d gets a quantized tensor, but has no quantized form",
          advice: expect.stringContaining("place a DeQuantStub before it") as string,
        },
        { module: "conv3", advice: "place a QuantStub before it" },
      ],
    ],
    [
      "a plain sum",
      new Net((n, x) => {
        const y = n.conv1(n.quant(x));
        return n.dequant(n.conv3(add(y, n.block(y))));
      }),
      [
        {
          module: "",
          class: "Net",
          problem: "add gets a quantized tensor, but has no quantized form",
          advice: "call add of a nn.quantized.FloatFunctional instead",
        },
      ],
    ],
    [
      "a sum in place",
      new Net((n, x) => {
        const y = n.conv1(n.quant(x));
        return n.dequant(n.block(y).add_(y));
      }),
      [{ problem: expect.stringContaining("add_ gets") as string }],
    ],
    [
      "a FloatFunctional of a quantized and a float tensor",
      new Net((n, x) => n.dequant(n.skip.add(n.conv1(n.quant(x)), x.slice(1, 0, 1)))),
      [{ module: "skip", problem: "one of its inputs is a float tensor in add, but will need a quantized one" }],
    ],
    [
      "two QuantStubs",
      new Net((n, x) => n.dequant(n.conv1(n.requant(n.quant(x))))),
      [{ module: "requant", problem: "it quantizes a quantized tensor" }],
    ],
    [
      "a float operator",
      new Net((n, x) => n.dequant(n.conv1(n.quant(x)).exp())),
      [{ module: "", problem: "exp gets a quantized tensor, but has no quantized form" }],
    ],
  ];
  it.each(wrong)("finds %s, which fails after conversion", (_name, model, findings) => {
    expect(q.checkStubs(model, image)).toEqual(findings.map((finding) => expect.objectContaining(finding) as unknown));
    const message = failureAfterConversion(model, [image]);
    expect(message).toContain("Could not run");
    const { module } = findings[0];
    const isCalled = module && module !== "skip"; // the methods of a FloatFunctional are no calls of a module
    if (isCalled) expect(message).toContain(`in module "${module}"`);
  });

  it("finds a concatenation of quantized and float tensors", () => {
    const model = new Net((n, x) => n.dequant(cat([n.conv1(n.quant(x)), x], 1)));
    expect(q.checkStubs(model, image)).toEqual([
      expect.objectContaining({ module: "", problem: "cat gets quantized and float tensors" }),
    ]);
    expect(failureAfterConversion(model, [image])).not.toBeNull();
  });

  it("finds an output without DeQuantStub", () => {
    const model = new Net((n, x) => n.conv1(n.quant(x)));
    expect(q.checkStubs(model, image)).toEqual([
      {
        module: "",
        class: "Net",
        problem: "its output is quantized",
        advice: "place a DeQuantStub behind what it returns",
      },
    ]);
  });

  it("reports a module that runs several times once", () => {
    const model = new Net((n, x) => n.dequant(n.block(n.block(n.conv1(x)))));
    const found = q.checkStubs(model, image);
    expect(found.map(({ module }) => module)).toEqual(["conv1"]);
    const twice = new Net((n, x) => n.dequant(n.skip.add(n.conv1(x), n.conv1(x))));
    expect(q.checkStubs(twice, image)).toHaveLength(1);
  });

  it("knows LSTM and MultiheadAttention, embeddings and fused modules", () => {
    class Text extends nn.Module {
      embedding = new nn.Embedding(10, 4);
      quant = new q.QuantStub();
      lstm = new nn.LSTM(4, 4);
      attention = new nn.MultiheadAttention(4, 2);
      fc = new nn.Sequential(new nn.Linear(4, 4), new nn.ReLU());
      dequant = new q.DeQuantStub();

      override forward(words: Tensor, mask: Tensor): Tensor {
        const [y] = this.lstm(this.quant(this.embedding(words)));
        const [z] = this.attention(y, y, y, { attnMask: mask });
        return this.dequant(this.fc(z));
      }
    }
    const text = new Text().eval();
    text.qconfig = q.getDefaultQconfig("qnnpack");
    text.embedding.qconfig = q.floatQparamsWeightOnlyQconfig;
    const inputs = [tensor([[1, 2], [3, 4], [5, 6]], { dtype: int64 }), randn([3, 3])]; // prettier-ignore
    const fused = q.fuseModules(text, ["fc.0", "fc.1"]);
    for (const model of [text, fused]) {
      expect(q.checkStubs(model, inputs)).toEqual([]);
      expect(failureAfterConversion(model, inputs)).toBeNull();
    }
    text.lstm.qconfig = null;
    expect(q.checkStubs(text, inputs).map(({ module }) => module)).toEqual(["lstm", "attention"]);
  });

  it("leaves the model as it is", () => {
    const model = new nn.Sequential(new q.QuantStub(), new nn.Conv2d(3, 4, 3), new nn.BatchNorm2d(4)).train();
    model.qconfig = q.getDefaultQatQconfig("qnnpack");
    const before = [...model.stateDict()].map(([key, value]) => [key, value.clone().tolist()]);
    q.checkStubs(model, image);
    expect([...model.stateDict()].map(([key, value]) => [key, value.tolist()])).toEqual(before);
    expect(model.training).toBe(true);
    expect([...model.children()].every((child) => child.qconfig === undefined)).toBe(true);
    expect(model.getSubmodule("1").registeredHooks()).toEqual({ pre: [], post: [] });
  });

  it("refuses a model in which nothing has a qconfig", () => {
    expect(() => q.checkStubs(new nn.Linear(1, 1), randn([1, 1]))).toThrow("checkStubs: no module has a qconfig");
  });
});
