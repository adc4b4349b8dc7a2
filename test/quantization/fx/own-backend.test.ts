/** A backend of one's own, from its config to the converted model: the one that docs/backend-config.md writes, and more. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../src/index.ts";
import { add, float32, nn, noGrad, qint8, quantization as q, quint8, randn, relu } from "../../../src/index.ts";
import { withWarnings } from "../../../src/core/warnings.ts";
import { listing } from "./support.ts";

const int8 = new q.DTypeConfig({ inputDtype: quint8, outputDtype: quint8, weightDtype: qint8, biasDtype: float32 });
const different = q.ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT;

/** Linear, and Linear with a ReLU behind it in one module. */
function linearBackend(dtypes: q.DTypeConfig = int8): q.BackendConfig {
  const linear = new q.BackendPatternConfig(nn.Linear)
    .setObservationType(different)
    .addDtypeConfig(dtypes)
    .setRootModule(nn.Linear)
    .setQatModule(nn.qat.Linear)
    .setReferenceQuantizedModule(nn.quantized.reference.Linear);
  const linearRelu = new q.BackendPatternConfig([nn.Linear, nn.ReLU])
    .addDtypeConfig(dtypes)
    .setFusedModule(nn.intrinsic.LinearReLU)
    .setFuserMethod((_isQat: boolean, first: nn.Linear, second: nn.ReLU) => new nn.intrinsic.LinearReLU(first, second));
  const fused = new q.BackendPatternConfig(nn.intrinsic.LinearReLU)
    .setObservationType(different)
    .addDtypeConfig(dtypes)
    .setRootModule(nn.Linear)
    .setQatModule(nn.intrinsic.qat.LinearReLU)
    .setReferenceQuantizedModule(nn.quantized.reference.Linear);
  return new q.BackendConfig("mine").setBackendPatternConfigs([linear, linearRelu, fused]);
}

class Net extends nn.Module {
  fc1 = new nn.Linear(4, 6);
  relu = new nn.ReLU();
  conv = new nn.Conv1d(3, 3, 1);
  fc2 = new nn.Linear(6, 2);

  override forward(x: Tensor): Tensor {
    const y = this.conv(this.relu(this.fc1(x)));
    return this.fc2(add(y, y));
  }
}

const x = randn([2, 3, 4]);

function run(model: nn.Module, backendConfig: q.BackendConfig, mapping = q.getDefaultQconfigMapping("qnnpack")) {
  const warnings: string[] = [];
  return q.withEngine("qnnpack", () =>
    noGrad(() =>
      withWarnings(
        (message) => warnings.push(message),
        () => {
          const prepared = q.prepareFx(model.eval(), mapping, x, { backendConfig });
          prepared(x);
          const converted = q.convertFx(prepared, { backendConfig });
          const [result, float] = [converted, model].map((m) => m(x) as Tensor);
          return { prepared, converted, warnings, error: result.sub(float).abs().max().item() };
        },
      ),
    ),
  );
}

describe("a backend of one's own", () => {
  it("quantizes what it lists, fused as it says, and leaves the rest in float", () => {
    const { converted, warnings, error } = run(new Net(), linearBackend());
    expect(q.explain(converted).map(({ node, detail }) => [node, detail])).toEqual([
      ["fc1", "static: QuantizedLinearReLU"],
      ["conv", "the backend has no pattern for this operator"],
      ["add", "the backend has no pattern for this operator"],
      ["fc2", "static: QuantizedLinear"],
    ]);
    expect(converted.getSubmodule("conv").getName()).toBe("Conv1d");
    expect(warnings).toEqual([]);
    expect(error).toBeLessThan(0.1);
  });

  it("is the same after a trip through plain data", () => {
    const backend = linearBackend();
    const { converted } = run(new Net(), q.BackendConfig.fromDict(backend.toDict()));
    expect(listing(converted)).toEqual(listing(run(new Net(), backend).converted));
  });

  it("fuses a pattern of its own into a module of its own", () => {
    /** max(a · x + b, 0) · 2, in one. */
    class Doubled extends nn.Module {
      linear: nn.Linear;

      constructor(linear: nn.Linear) {
        super();
        this.linear = linear;
      }

      override forward(input: Tensor): Tensor {
        return relu(this.linear(input)).mul(2);
      }
    }
    class Pair extends nn.Module {
      fc = new nn.Linear(4, 4);
      sign = new nn.Softplus();

      override forward(input: Tensor): Tensor {
        return this.sign(this.fc(input));
      }
    }
    const pattern = new q.BackendPatternConfig([nn.Linear, nn.Softplus]).setFuserMethod(
      (_isQat: boolean, linear: nn.Linear) => new Doubled(linear),
    );
    const backend = new q.BackendConfig("fuser").setBackendPatternConfig(pattern);
    const pair = new Pair().eval();
    const fused = q.fuseFx(pair, { backendConfig: backend });
    expect(listing(fused)).toEqual([
      ["placeholder", "input_1", "input"],
      ["call_module", "fc", "fc"],
      ["output", "output", "output"],
    ]);
    expect(fused.getSubmodule("fc")).toBeInstanceOf(Doubled);
    noGrad(() => expect(fused(x)).toEqual(relu(pair.fc(x)).mul(2)));
  });

  it("observes neither input nor output of an operator that is said not to be observed", () => {
    const unobserved = new q.BackendPatternConfig(nn.Conv1d)
      .setObservationType(q.ObservationType.INPUT_OUTPUT_NOT_OBSERVED)
      .addDtypeConfig(new q.DTypeConfig({ inputDtype: float32, outputDtype: float32 }));
    const backend = linearBackend().setBackendPatternConfig(unobserved);
    const { prepared } = run(new Net(), backend, new q.QConfigMapping().setObjectType(nn.Conv1d, q.defaultQconfig));
    expect(listing(prepared).filter(([, name]) => name.startsWith("activation"))).toEqual([]);
  });

  it("leaves in float what its constraints exclude, and says why", () => {
    const narrow = new q.DTypeConfig({
      inputDtype: new q.DTypeWithConstraints({ dtype: quint8, quantMinLowerBound: 0, quantMaxUpperBound: 31 }),
      outputDtype: quint8,
      weightDtype: qint8,
      biasDtype: float32,
    });
    const wide = run(new Net(), linearBackend(narrow));
    const reason = "the qconfig's activation range [0, 255] exceeds the backend's [0, 31]";
    expect(q.explain(wide.converted)[0].detail).toBe(`the backend cannot serve its qconfig: ${reason}`);
    expect(wide.warnings).toEqual([
      `prepare_fx: the backend cannot serve the qconfig of LinearReLU (fc1), Linear (fc2), left in float: ${reason}`,
    ]);
    expect(wide.error).toBeLessThan(1e-5);

    const fitting = new q.QConfig({
      activation: q.MinMaxObserver.withArgs({ dtype: quint8, quantMin: 0, quantMax: 31 }),
      weight: q.defaultWeightObserver,
    });
    const served = run(new Net(), linearBackend(narrow), new q.QConfigMapping().setGlobal(fitting));
    expect(served.warnings).toEqual([]);
    expect(
      q
        .explain(served.converted)
        .filter(({ quantized }) => quantized)
        .map(({ node }) => node),
    ).toEqual(["fc1", "fc2"]);
    expect(served.error).toBeLessThan(0.3);
  });

  it("excludes observers with smaller scales than it can take", () => {
    const coarse = new q.DTypeConfig({
      inputDtype: new q.DTypeWithConstraints({ dtype: quint8, scaleMinLowerBound: 2 ** -12 }),
      outputDtype: quint8,
      weightDtype: qint8,
      biasDtype: float32,
    });
    const { warnings } = run(new Net(), linearBackend(coarse));
    expect(warnings).toEqual([
      expect.stringMatching(/activation eps .* is below the backend's smallest scale 0\.000244140625$/),
    ]);
  });
});
