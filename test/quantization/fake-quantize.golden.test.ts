/** Quantize, dequantize and fake quantization against PyTorch: integers, values, gradients, and modules over batches. */
import { afterAll, describe, expect, it } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { dtypeFromName, float32 } from "../../src/core/dtype.ts";
import { withWarnings } from "../../src/core/warnings.ts";
import * as ops from "../../src/index.ts";
import { quantization as q } from "../../src/index.ts";
import { availableKernels, withKernels } from "../../src/kernels/registry.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { GoldenFile, Tally, optionsFrom } from "./golden-file.ts";

interface Case {
  readonly name: string;
  readonly kind: "quantize" | "dynamic" | "fake" | "learnable" | "fused" | "module" | "learnable-module";
  readonly dtype: string;
  readonly scale: number;
  readonly zero_point: number;
  readonly zp: number;
  readonly axis?: number;
  readonly reduce_range: boolean;
  readonly input_dtype: string;
  readonly quant_min: number;
  readonly quant_max: number;
  readonly grad_factor: number;
  readonly data: string;
  readonly averaging_const: number;
  readonly per_row: boolean;
  readonly symmetric: boolean;
  readonly class: string;
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly switches: readonly (readonly string[])[];
  readonly keys: readonly string[];
  readonly repr: string;
}

const file = new GoldenFile<Case>("fake-quantize");
const tallies = {
  "integers of quantize": new Tally(),
  "values of dequantize": new Tally(),
  "integers and qparams of dynamic quantization": new Tally(),
  "fake-quantized values": new Tally(),
  "gradients of values": new Tally(),
  "gradients of learned qparams": new Tally(),
  "qparams of modules": new Tally(),
};

afterAll(() => {
  const lines = Object.entries(tallies).map(([what, tally]) => `${what}: ${tally.toString()}`);
  console.log(`fake quantization, ${file.cases.length} cases\n  ${lines.join("\n  ")}`);
});

const numbers = (tensor: Tensor) => tensor.toNumbers() as ArrayLike<number>;

/** Equal, element by element, and of the same dtype. */
function equal(tally: keyof typeof tallies, actual: Tensor, expected: Tensor, where: string): void {
  expect(actual.dtype.name, where).toBe(expected.dtype.name);
  const before = tallies[tally].differing;
  tallies[tally].compare(numbers(actual), numbers(expected));
  if (tallies[tally].differing > before)
    expect(Array.from(numbers(actual)), where).toEqual(Array.from(numbers(expected)));
}

/** Sums of floats, which PyTorch adds in another order. */
function near(tally: keyof typeof tallies, actual: Tensor, expected: Tensor, where: string): void {
  tallies[tally].compare(numbers(actual), numbers(expected));
  expect(actual.shape, where).toEqual(expected.shape);
  const [a, b] = [numbers(actual), numbers(expected)];
  for (let i = 0; i < a.length; i++) {
    expect(Math.abs(a[i] - b[i]), `${where}, element ${i}: ${a[i]}, not ${b[i]}`).toBeLessThanOrEqual(
      1e-5 * Math.max(1, Math.abs(b[i])),
    );
  }
}

for (const kernels of availableKernels()) {
  describe(`on the ${kernels} kernels`, () => {
    for (const case_ of file.cases) {
      const { name, kind, kwargs, ...rest } = case_;
      it(`${name} ${kind} ${JSON.stringify(kwargs ?? rest)}`, () => {
        withKernels(kernels, () =>
          withWarnings(
            () => {},
            () => runners[kind](case_, `${name}`),
          ),
        );
      });
    }
  });
}

const runners: Readonly<Record<Case["kind"], (case_: Case, name: string) => void>> = {
  quantize({ dtype: dtypeName, scale, zero_point, axis }, name) {
    const [x, dtype] = [file.get(`${name}/x`), dtypeFromName(dtypeName)];
    const quantized =
      axis === undefined
        ? ops.quantizePerTensor(x, scale, zero_point, dtype)
        : ops.quantizePerChannel(x, file.get(`${name}/scales`), file.get(`${name}/zero_points`), axis, dtype);
    equal("integers of quantize", ops.intRepr(quantized), file.get(`${name}/ints`), "integers");
    equal("values of dequantize", ops.dequantize(quantized), file.get(`${name}/values`), "values");
  },

  dynamic({ dtype, reduce_range, scale, zero_point }, name) {
    const quantized = ops.quantizePerTensorDynamic(file.get(`${name}/x`), dtypeFromName(dtype), reduce_range);
    const tally = "integers and qparams of dynamic quantization";
    equal(tally, ops.intRepr(quantized), file.get(`${name}/ints`), "integers");
    tallies[tally].compare([ops.qScale(quantized), ops.qZeroPoint(quantized)], [scale, zero_point]);
    expect([ops.qScale(quantized), ops.qZeroPoint(quantized)]).toEqual([scale, zero_point]);
  },

  fake({ scale, zp, quant_min, quant_max, axis }, name) {
    const x = leaf(name);
    const out =
      axis === undefined
        ? ops.fakeQuantizePerTensorAffine(x, scale, zp, quant_min, quant_max)
        : ops.fakeQuantizePerChannelAffine(
            x,
            file.get(`${name}/scale`),
            file.get(`${name}/zero_point`),
            axis,
            quant_min,
            quant_max,
          );
    equal("fake-quantized values", out.detach(), file.get(`${name}/out`), "values");
    backward([out], [file.get(`${name}/grad_out`)]);
    equal("gradients of values", x.grad as Tensor, file.get(`${name}/grad/x`), "gradient");
  },

  learnable({ quant_min, quant_max, axis, grad_factor }, name) {
    const x = leaf(name);
    const [scale, zeroPoint] = [copyOf(file.get(`${name}/scale`)), copyOf(file.get(`${name}/zero_point`))];
    for (const parameter of [scale, zeroPoint]) parameter.requiresGrad = true;
    const out =
      axis === undefined
        ? ops._fakeQuantizeLearnablePerTensorAffine(x, scale, zeroPoint, quant_min, quant_max, grad_factor)
        : ops._fakeQuantizeLearnablePerChannelAffine(x, scale, zeroPoint, axis, quant_min, quant_max, grad_factor);
    equal("fake-quantized values", out.detach(), file.get(`${name}/out`), "values");
    backward([out], [file.get(`${name}/grad_out`)]);
    equal("gradients of values", x.grad as Tensor, file.get(`${name}/grad/x`), "gradient of x");
    const tally = "gradients of learned qparams";
    near(tally, scale.grad as Tensor, file.get(`${name}/grad/scale`), "gradient of scale");
    near(tally, zeroPoint.grad as Tensor, file.get(`${name}/grad/zero_point`), "gradient of zero point");
  },

  fused({ data, averaging_const, quant_min, quant_max, per_row, symmetric }, name) {
    const start = (value: number) =>
      Tensor.fromArray(Float32Array.of(...(per_row ? [] : [value])), per_row ? [0] : [], float32);
    const on = ops.tensor([1]);
    const buffers = {
      min_val: start(Infinity),
      max_val: start(-Infinity),
      scale: ops.tensor([1]),
      zero_point: ops.tensor([0], { dtype: ops.int32 }),
    };
    const { min_val, max_val, scale, zero_point } = buffers;
    const step = (x: Tensor) =>
      ops.fusedMovingAvgObsFakeQuant(
        x,
        on,
        on,
        min_val,
        max_val,
        scale,
        zero_point,
        averaging_const,
        quant_min,
        quant_max,
        per_row ? 0 : -1,
        per_row,
        symmetric,
      );
    overBatches(name, data, step, () => buffers);
  },

  module({ class: className, kwargs, data, switches, keys, repr }, name) {
    const Class = q[className as "FakeQuantize"];
    const module = new Class(moduleOptions(kwargs));
    const step = (x: Tensor, i: number) => {
      for (const method of switches[i]) (module[camelCase(method) as "enableObserver"] as () => void)();
      return module(x);
    };
    overBatches(name, data, step, () => ({}));
    const state = module.stateDict();
    expect([...state.keys()]).toEqual(keys);
    for (const key of keys) {
      if (!file.has(`${name}/state/${key}`)) continue; // histograms are in the observers' golden data
      equal("qparams of modules", state.get(key) as Tensor, file.get(`${name}/state/${key}`), key);
    }
    compareQparams(module, name);
    expect(module.toString()).toBe(repr);
    const loaded = new Class(moduleOptions(kwargs));
    loaded.loadStateDict(state);
    expect(loaded.toString()).toBe(repr);
  },

  "learnable-module"({ kwargs, data, keys }, name) {
    const module = new q._LearnableFakeQuantize(moduleOptions(kwargs) as never).toggleQparamLearning(false);
    const optimizer = new ops.optim.SGD([module.scale, module.zero_point], { lr: 1e-3 });
    const step = (x: Tensor, i: number) => (i === 2 ? module.enableParamLearning() : module)(x);
    const buffers = () => {
      if (module.learning_enabled.item() === 1) {
        optimizer.step();
        optimizer.zeroGrad();
      }
      return { scale: module.scale, zero_point: module.zero_point };
    };
    overBatches(name, data, step, buffers, near);
    expect([...module.stateDict().keys()]).toEqual(keys);
    compareQparams(module, name, near);
  },
};

type Compare = typeof equal;
type Buffers = Readonly<Record<string, Tensor>>;

/** Runs a sequence forward and backward; compares outputs, gradients and buffers after each batch. */
function overBatches(
  name: string,
  data: string,
  step: (x: Tensor, i: number) => Tensor,
  buffers: () => Buffers,
  compare: Compare = equal,
): void {
  const rows = (key: string) => file.get(`${name}/${key}`).unbind(0);
  const [outs, grads] = [rows("out"), rows("grad")];
  outs.forEach((expected, i) => {
    const x = copyOf(file.get(`batches/${data}/${i}`)).requiresGrad_(true);
    const out = step(x, i);
    compare("fake-quantized values", out.detach(), expected, `batch ${i}: values`);
    backward([out], [file.get("batches/grad_out")]);
    equal("gradients of values", x.grad as Tensor, grads[i], `batch ${i}: gradient`);
    for (const [key, buffer] of Object.entries(buffers())) {
      compare("qparams of modules", buffer.detach(), rows(`after/${key}`)[i], `batch ${i}: ${key}`);
    }
  });
}

function compareQparams(module: q.FakeQuantizeBase, name: string, compare: Compare = equal): void {
  const [scale, zeroPoint] = module.calculateQparams();
  compare("qparams of modules", scale, file.get(`${name}/qparams/scale`), "calculated scale");
  compare("qparams of modules", zeroPoint, file.get(`${name}/qparams/zero_point`), "calculated zero point");
}

function copyOf(tensor: Tensor): Tensor {
  return Tensor.fromArray(tensor.elements().slice(), tensor.shape, tensor.dtype);
}

function leaf(name: string): Tensor {
  return copyOf(file.get(`${name}/x`)).requiresGrad_(true);
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The observer's class is stored by its name. */
function moduleOptions(kwargs: Readonly<Record<string, unknown>>): q.FakeQuantizeOptions {
  const observer = q[kwargs.observer as "MinMaxObserver"];
  return { ...optionsFrom(kwargs), observer };
}
