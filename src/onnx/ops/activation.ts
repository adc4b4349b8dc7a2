/** Activations. Those that quantization knows become the same functions and modules as in a model written with nn. */
import * as F from "../../nn/functional.ts";
import * as nn from "../../nn/index.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Callee, OnnxOp, OnnxOps } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import { unary } from "./arithmetic.ts";

/** float32 attributes compare with numbers written in decimal. */
function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) < 1e-6;
}

const hardSigmoidOf = traceable("onnx.hardSigmoid", (x: Tensor, alpha: number, beta: number): Tensor =>
  ops.clamp(ops.add(ops.mul(x, alpha), beta), { min: 0, max: 1 }),
);

const hardSigmoid: OnnxOp = {
  since: [6],
  import(c) {
    const [alpha, beta] = [c.float("alpha", 0.2), c.float("beta", 0.5)];
    const x = c.input(0);
    if (isClose(alpha, 1 / 6) && beta === 0.5) return c.call(F.hardsigmoid, [x], sameAs(x));
    return c.call(hardSigmoidOf, [x, alpha, beta], sameAs(x));
  },
};

/** In the dtype of `x`, which an infinite bound would change. */
const limited = traceable(
  "onnx.clip",
  (x: Tensor, min: Tensor | number | null, max: Tensor | number | null): Tensor => {
    const above = min === null ? x : ops.maximum(x, min);
    return max === null ? above : ops.minimum(above, max);
  },
);

/** Bounds may be missing, and in any version tensors or attributes: min is at 1, max at 2. */
const clip: OnnxOp = {
  since: [6, 11],
  import(c) {
    const x = c.input(0);
    const bound = (name: string, index: number) => {
      if (c.opset < 11) return c.has(name) ? c.float(name, 0) : undefined;
      const value = c.optional(index);
      return value ? (value.constant ? value.constant.item() : value) : undefined;
    };
    const [min, max] = [bound("min", 1), bound("max", 2)];
    if (min === undefined && max === undefined) return x;
    if (x.dtype && !x.dtype.isFloatingPoint) return c.call(limited, [x, min ?? null, max ?? null], sameAs(x));
    if (min === 0 && max === 6) return c.call(F.relu6, [x], sameAs(x));
    if (min === 0 && max === undefined) return c.call(F.relu, [x], sameAs(x));
    const kwargs = { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
    return c.call(ops.clamp, [x], { kwargs, ...sameAs(x) });
  },
};

const sloped = traceable("onnx.prelu", (x: Tensor, slope: Tensor): Tensor =>
  ops.where(ops.lt(x, 0), ops.mul(x, slope), x),
);

/** A slope per channel, or one for all, is PyTorch's. */
const prelu: OnnxOp = {
  since: [1, 7],
  import(c) {
    const [x, slope] = [c.input(0), c.input(1)];
    const { constant } = slope;
    const channels = x.shape?.[1];
    const isAligned = c.opset < 7 || constant?.ndim === (x.shape?.length ?? 0) - 1; // once slopes were per channel anyway
    const perChannel = constant && isAligned && constant.shape[0] === constant.numel();
    if (constant && (constant.numel() === 1 || (perChannel && constant.numel() === channels))) {
      const module = new nn.PReLU({ numParameters: constant.numel() });
      module.weight = c.emit.parameter(constant, "slope", () => constant.reshape([-1]));
      return c.module(module, [x], { ...sameAs(x), weight: slope.name });
    }
    return c.call(sloped, [x, slope], sameAs(x));
  },
};

/** With a number as option, named differently there and here. */
function withOption(fn: Callee, attribute: string, fallback: number, option: string, since: number): OnnxOp {
  return {
    since: [since],
    import: (c) =>
      c.call(fn, [c.input(0)], { kwargs: { [option]: c.float(attribute, fallback) }, ...sameAs(c.input(0)) }),
  };
}

const seluOf = traceable("onnx.selu", (x: Tensor, alpha: number, gamma: number): Tensor =>
  ops.mul(ops.where(ops.gt(x, 0), x, ops.mul(ops.sub(ops.exp(x), 1), alpha)), gamma),
);

const selu: OnnxOp = {
  since: [6],
  import(c) {
    const [alpha, gamma] = [c.float("alpha", 1.6732632), c.float("gamma", 1.050701)];
    const x = c.input(0);
    if (isClose(alpha, 1.6732632) && isClose(gamma, 1.050701)) return c.call(F.selu, [x], sameAs(x));
    return c.call(seluOf, [x, alpha, gamma], sameAs(x));
  },
};

const gelu: OnnxOp = {
  since: [20],
  import(c) {
    const approximate = c.text("approximate", "none");
    return c.call(F.gelu, [c.input(0)], { kwargs: { approximate }, ...sameAs(c.input(0)) });
  },
};

const thresholdedRelu = traceable("onnx.thresholdedRelu", (x: Tensor, alpha: number): Tensor =>
  ops.where(ops.gt(x, alpha), x, 0),
);

const shrinkOf = traceable("onnx.shrink", (x: Tensor, lambd: number, bias: number): Tensor =>
  ops.where(ops.lt(x, -lambd), ops.add(x, bias), ops.where(ops.gt(x, lambd), ops.sub(x, bias), ops.mul(x, 0))),
);

const shrink: OnnxOp = {
  since: [9],
  import: (c) => c.call(shrinkOf, [c.input(0), c.float("lambd", 0.5), c.float("bias", 0)], sameAs(c.input(0))),
};

/** Over everything from `axis` on, as one vector: what softmax meant before version 13. */
function flattened(name: string, run: (x: Tensor, dim: number) => Tensor) {
  return traceable(name, (x: Tensor, axis: number): Tensor => {
    const first = axis < 0 ? axis + x.ndim : axis;
    return run(ops.flatten(x, first), first).reshape(x.shape);
  });
}

const hardmaxOf = traceable("onnx.hardmax", (x: Tensor, axis: number): Tensor => {
  const best = ops.unsqueeze(ops.argmax(x, axis), axis);
  return ops.scatter(ops.zerosLike(x), axis, best, 1);
});

/** Softmax is known to quantization as a module only. */
function softmaxLike(known: Callee, run: (x: Tensor, dim: number) => Tensor, module?: typeof nn.Softmax): OnnxOp {
  const old = flattened(
    `onnx.flattened${known === ops.logSoftmax ? "LogSoftmax" : known === ops.softmax ? "Softmax" : "Hardmax"}`,
    run,
  );
  return {
    since: [1, 13],
    import(c) {
      const x = c.input(0);
      const axis = c.int("axis", c.opset < 13 ? 1 : -1);
      const isLast = axis === -1 || axis === (x.shape?.length ?? NaN) - 1;
      if (c.opset < 13 && !isLast) return c.call(old, [x, axis], sameAs(x));
      return module ? c.module(new module(axis), [x], sameAs(x)) : c.call(known, [x, axis], sameAs(x));
    },
  };
}

export const activationOps: OnnxOps = {
  Celu: withOption(F.celu, "alpha", 1, "alpha", 12),
  Clip: clip,
  Elu: withOption(F.elu, "alpha", 1, "alpha", 6),
  Gelu: gelu,
  HardSigmoid: hardSigmoid,
  HardSwish: unary(F.hardswish, 14),
  Hardmax: softmaxLike(hardmaxOf, hardmaxOf),
  LeakyRelu: withOption(F.leakyRelu, "alpha", 0.01, "negativeSlope", 6),
  LogSoftmax: softmaxLike(ops.logSoftmax, ops.logSoftmax),
  Mish: unary(F.mish, 18),
  PRelu: prelu,
  Relu: unary(F.relu, 1),
  Selu: selu,
  Shrink: shrink,
  Sigmoid: unary(ops.sigmoid, 1),
  Softmax: softmaxLike(ops.softmax, ops.softmax, nn.Softmax),
  Softplus: unary(F.softplus, 1),
  Softsign: unary(F.softsign, 1),
  Tanh: unary(ops.tanh, 1),
  ThresholdedRelu: {
    since: [10],
    import: (c) => c.call(thresholdedRelu, [c.input(0), c.float("alpha", 1)], sameAs(c.input(0))),
  },
};
