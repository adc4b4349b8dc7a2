/**
 * Activation functions (`torch.nn.functional`) that work element by element, and glu. Softmax has a file of its own; sigmoid
 * and tanh are in arithmetic.ts. Each function takes `{ inplace: true }` where PyTorch's does, and then overwrites its input;
 * the names that end in an underscore do the same.
 */
import { isGradEnabled } from "../autograd/grad-mode.ts";
import { saved } from "../autograd/node.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { wrapDim } from "../core/shape.ts";
import type { BinaryName, UnaryName } from "../kernels/kernels.ts";
import { kernels } from "../kernels/registry.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { abs, mul, sigmoid, sub, where } from "./arithmetic.ts";
import { canWriteInto, evaluateBinary, evaluateUnary, floatDtype } from "./broadcast.ts";
import { gt } from "./comparison.ts";
import { clone } from "./copy.ts";
import type { Op } from "./op.ts";
import { assign_, composite, isInterpreted, primitive } from "./op.ts";
import { reshape } from "./views.ts";
import { narrow } from "./windows.ts";

export interface InplaceOptions {
  /** Overwrites the input and returns it. */
  readonly inplace?: boolean;
}

/** The parameters p and q that the kernels know. */
type Parameters = readonly [p?: number, q?: number];

interface Definition<O> {
  /** f(x, p, q). */
  readonly kernel: UnaryName;
  /** gradient(g, y, p, q) if `keeps` is "output", else gradient(g, x, p, q). */
  readonly gradient: BinaryName;
  readonly keeps: "input" | "output";
  /** Accepts integer tensors, and keeps their dtype. */
  readonly integers?: boolean;
  readonly parameters?: (options: O) => Parameters;
}

type Activation<O> = Op<[x: Tensor, options?: O & InplaceOptions], Tensor>;

function activation<O = object>(name: string, definition: Definition<O>): Activation<O> {
  const apply = pointwise(name, definition);
  return composite(name, (x: Tensor, options: O & InplaceOptions = {} as O & InplaceOptions): Tensor => {
    const [p, q] = definition.parameters?.(options) ?? [];
    return options.inplace ? applyInPlace(`${name}_`, definition, apply, x, p, q) : apply(x, p, q);
  });
}

/** The version that overwrites its input. */
function inPlace<O>(op: Activation<O>): (x: Tensor, options?: O) => Tensor {
  return (x, options) => op(x, { ...options, inplace: true } as O & InplaceOptions);
}

type Pointwise = Op<[x: Tensor, p?: number, q?: number], Tensor>;

function pointwise<O>(name: string, { kernel, gradient, keeps, integers }: Definition<O>): Pointwise {
  return primitive(
    name,
    (x: Tensor, p?: number, q?: number) => {
      if (!x.dtype.isFloatingPoint && !integers)
        throw new OctetError(`${name}: not implemented for ${x.dtype.name} tensors`);
      return evaluateUnary(kernel, x, x.dtype, x.dtype, p, q);
    },
    (out, x, p, q) => {
      const kept = saved(keeps === "output" ? out : x);
      return (g) => [evaluateBinary(name, gradient, g, kept(), g.dtype, undefined, p, q)];
    },
  );
}

function applyInPlace<O>(
  name: string,
  { kernel, keeps }: Definition<O>,
  apply: Pointwise,
  x: Tensor,
  p?: number,
  q?: number,
): Tensor {
  if (isGradEnabled() && x.requiresGrad) return assign_(name, x, apply(keeps === "input" ? clone(x) : x, p, q));
  if (isInterpreted() || !x.dtype.isFloatingPoint || !canWriteInto(x, 0)) return assign_(name, x, apply(x, p, q));
  const data = x.elements();
  kernels().unary(kernel, data, data, p, q);
  x.bumpVersion();
  return x;
}

// ---------------------------------------------------------------- piecewise linear

/** max(x, 0). */
export const relu = activation("relu", { kernel: "relu", gradient: "reluGrad", keeps: "output", integers: true });
export const relu_ = inPlace(relu);

/** x limited to [0, 6]. */
export const relu6 = activation("relu6", { kernel: "relu6", gradient: "relu6Grad", keeps: "input", integers: true });

export interface HardtanhOptions {
  /** Default -1. */
  readonly minVal?: number;
  /** Default 1. */
  readonly maxVal?: number;
}

/** x limited to [minVal, maxVal]; the gradient is 0 on the limits. */
export const hardtanh = activation<HardtanhOptions>("hardtanh", {
  kernel: "hardtanh",
  gradient: "hardtanhGrad",
  keeps: "input",
  integers: true,
  parameters: ({ minVal = -1, maxVal = 1 }) => {
    if (minVal > maxVal) throw new OctetError(`hardtanh: minVal ${minVal} cannot be greater than maxVal ${maxVal}`);
    return [minVal, maxVal];
  },
});
export const hardtanh_ = inPlace(hardtanh);

/** relu6(x + 3) / 6. */
export const hardsigmoid = activation("hardsigmoid", {
  kernel: "hardsigmoid",
  gradient: "hardsigmoidGrad",
  keeps: "input",
});

/** x · relu6(x + 3) / 6 (Howard et al., "Searching for MobileNetV3"). */
export const hardswish = activation("hardswish", { kernel: "hardswish", gradient: "hardswishGrad", keeps: "input" });

export interface LeakyReluOptions {
  /** Default 0.01. */
  readonly negativeSlope?: number;
}

/** x, or negativeSlope · x where x is negative. */
export const leakyRelu = activation<LeakyReluOptions>("leakyRelu", {
  kernel: "leakyRelu",
  gradient: "leakyReluGrad",
  keeps: "input",
  parameters: ({ negativeSlope = 0.01 }) => [negativeSlope],
});
export const leakyRelu_ = inPlace(leakyRelu);

/** x where x > limit, else `value`. */
export const threshold = composite(
  "threshold",
  (x: Tensor, limit: number, value: number, options: InplaceOptions = {}): Tensor =>
    options.inplace
      ? applyInPlace("threshold_", thresholdDefinition, applyThreshold, x, limit, value)
      : applyThreshold(x, limit, value),
);
const thresholdDefinition: Definition<object> = {
  kernel: "threshold",
  gradient: "thresholdGrad",
  keeps: "input",
  integers: true,
};
const applyThreshold = pointwise("threshold", thresholdDefinition);

/** As {@link threshold}, overwriting its input. */
export function threshold_(x: Tensor, limit: number, value: number): Tensor {
  return threshold(x, limit, value, { inplace: true });
}

/** x, or weight · x where x is negative: one weight for all, or one per channel (dimension 1). */
export const prelu = composite("prelu", (x: Tensor, weight: Tensor): Tensor => {
  const count = weight.numel();
  if (weight.ndim > 1)
    throw new OctetError(`prelu: weight must be a scalar or a vector, got ${formatShape(weight.shape)}`);
  if (count !== 1 && count !== x.shape[1]) {
    throw new OctetError(
      `prelu: weight has ${count} elements, but the input of shape ${formatShape(x.shape)} has ${x.shape[1] ?? 1} channels`,
    );
  }
  const shape = x.shape.map((_, d) => (d === 1 ? count : 1));
  return where(gt(x, 0), x, mul(reshape(weight, shape), x));
});

// ---------------------------------------------------------------- exponential

export interface AlphaScaleOptions {
  /** Default 1. */
  readonly alpha?: number;
}

/** x, or alpha · (exp(x) − 1) where x is negative. */
export const elu = activation<AlphaScaleOptions>("elu", {
  kernel: "elu",
  gradient: "eluGrad",
  keeps: "input",
  parameters: ({ alpha = 1 }) => [alpha],
});
export const elu_ = inPlace(elu);

/** x, or alpha · (exp(x / alpha) − 1) where x is negative. */
export const celu = activation<AlphaScaleOptions>("celu", {
  kernel: "celu",
  gradient: "celuGrad",
  keeps: "input",
  parameters: ({ alpha = 1 }) => {
    if (alpha === 0) throw new OctetError("celu: alpha cannot be 0");
    return [alpha];
  },
});
export const celu_ = inPlace(celu);

/** {@link elu} with the alpha and the scale that keep activations normalized (Klambauer et al., 2017). */
export const selu = activation("selu", { kernel: "selu", gradient: "seluGrad", keeps: "input" });
export const selu_ = inPlace(selu);

/** x · sigmoid(x). */
export const silu = activation("silu", { kernel: "silu", gradient: "siluGrad", keeps: "input" });

/** x · tanh(softplus(x)). */
export const mish = activation("mish", { kernel: "mish", gradient: "mishGrad", keeps: "input" });

/** log(sigmoid(x)). */
export const logsigmoid = pointwise("logsigmoid", {
  kernel: "logSigmoid",
  gradient: "logSigmoidGrad",
  keeps: "input",
}) as Op<[x: Tensor], Tensor>;

const geluExact = pointwise("gelu", { kernel: "gelu", gradient: "geluGrad", keeps: "input" });
const geluTanh = pointwise("gelu", { kernel: "geluTanh", gradient: "geluTanhGrad", keeps: "input" });

export interface GeluOptions {
  /** "tanh" computes an approximation. */
  readonly approximate?: "none" | "tanh";
}

/** x · Φ(x), Φ the normal distribution function (Hendrycks and Gimpel, 2016). */
export const gelu = composite("gelu", (x: Tensor, { approximate = "none" }: GeluOptions = {}): Tensor => {
  switch (approximate) {
    case "none":
      return geluExact(x);
    case "tanh":
      return geluTanh(x);
    default:
      throw new OctetError(
        `gelu: approximate argument must be either none or tanh, got ${approximate satisfies never}`,
      );
  }
});

export interface SoftplusOptions {
  /** Default 1. */
  readonly beta?: number;
  /** Where beta · x exceeds this, the function is the identity. Default 20. */
  readonly threshold?: number;
}

/** log(1 + exp(beta · x)) / beta. */
export const softplus = composite("softplus", (x: Tensor, options: SoftplusOptions = {}): Tensor => {
  const { beta = 1, threshold: limit = 20 } = options;
  return applySoftplus(x, beta, limit);
});
const applySoftplus = pointwise("softplus", { kernel: "softplus", gradient: "softplusGrad", keeps: "input" });

// ---------------------------------------------------------------- shrinking

/** x / (1 + |x|). */
export const softsign = primitive(
  "softsign",
  (x: Tensor) => evaluateUnary("softsign", x, floatDtype(x.dtype)),
  (_out, x) => {
    const input = saved(x);
    return (g) => {
      const result = evaluateUnary("softsign", input(), g.dtype);
      const root = sub(1, abs(result)); // 1 / (1 + |x|), whose square is the derivative
      return [mul(g, mul(root, root))];
    };
  },
);

/** x − tanh(x). */
export const tanhshrink = primitive(
  "tanhshrink",
  (x: Tensor) => evaluateUnary("tanhshrink", x, floatDtype(x.dtype)),
  (_out, x) => {
    const input = saved(x);
    return (g) => {
      const tanh = evaluateUnary("tanh", input(), g.dtype);
      return [mul(g, mul(tanh, tanh))];
    };
  },
);

export interface ShrinkOptions {
  /** Default 0.5. */
  readonly lambd?: number;
}

/** x, or 0 where |x| ≤ lambd. */
export const hardshrink = composite("hardshrink", (x: Tensor, { lambd = 0.5 }: ShrinkOptions = {}): Tensor =>
  applyHardshrink(x, lambd),
);
const applyHardshrink = pointwise("hardshrink", { kernel: "hardshrink", gradient: "hardshrinkGrad", keeps: "input" });

/** x moved towards 0 by lambd, and 0 where |x| ≤ lambd. */
export const softshrink = composite("softshrink", (x: Tensor, { lambd = 0.5 }: ShrinkOptions = {}): Tensor => {
  if (!(lambd >= 0)) throw new OctetError(`softshrink: lambd must be greater or equal to 0, but found to be ${lambd}`);
  return applySoftshrink(x, lambd);
});
const applySoftshrink = pointwise("softshrink", { kernel: "softshrink", gradient: "softshrinkGrad", keeps: "input" });

// ---------------------------------------------------------------- gates

/** a · sigmoid(b), a and b the two halves of `x` along `dim`. */
export const glu = composite("glu", (x: Tensor, dim: number = -1): Tensor => {
  if (x.ndim === 0) throw new OctetError("glu: does not support 0-dimensional tensors");
  const d = wrapDim("glu", dim, x.ndim);
  const size = x.shape[d];
  if (size % 2 !== 0) throw new OctetError(`glu: halving dimension must be even, but dimension ${d} is size ${size}`);
  return mul(narrow(x, d, 0, size / 2), sigmoid(narrow(x, d, size / 2, size / 2)));
});
