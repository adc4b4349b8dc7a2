/** Activations for ONNX, element by element. Those that ONNX has no operator for are written with others. */
import { bool } from "../../core/dtype.ts";
import type { CallContext, OpExport, OpExports } from "../export-context.ts";
import type { TensorValue } from "../export-value.ts";

/** One ONNX operator without attributes. */
function plain(opType: string, opset = 1): OpExport {
  return (c: CallContext) => {
    c.builder.needs(opset);
    return c.node(opType, [c.tensor(0)]);
  };
}

function clip(c: CallContext, x: TensorValue, min: number | null, max: number | null): TensorValue {
  const bound = (value: number | null) => (value === null ? null : c.scalar(value, x.dtype));
  return c.node("Clip", [x, bound(min), bound(max)]);
}

function hardswish(c: CallContext): TensorValue {
  const x = c.tensor(0);
  if (c.opset >= 14) return c.node("HardSwish", [x]);
  return c.node("Mul", [x, c.node("HardSigmoid", [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } })]);
}

function gelu(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const approximate = c.text(1, "approximate", "none");
  if (c.opset >= 20) return c.node("Gelu", [x], { approximate });
  const { dtype } = x;
  if (approximate === "tanh") {
    const cube = c.node("Mul", [c.node("Mul", [x, x]), x]);
    const inner = c.node("Add", [x, c.node("Mul", [cube, c.scalar(0.044715, dtype)])]);
    const bent = c.node("Tanh", [c.node("Mul", [inner, c.scalar(Math.sqrt(2 / Math.PI), dtype)])]);
    return halfTimesOnePlus(c, x, bent);
  }
  return halfTimesOnePlus(c, x, c.node("Erf", [c.node("Div", [x, c.scalar(Math.SQRT2, dtype)])]));
}

/** x · (1 + y) / 2, in the order that runtimes recognize as one operator. */
function halfTimesOnePlus(c: CallContext, x: TensorValue, y: TensorValue): TensorValue {
  const { dtype } = x;
  const product = c.node("Mul", [x, c.node("Add", [y, c.scalar(1, dtype)])]);
  return c.node("Mul", [product, c.scalar(0.5, dtype)]);
}

function prelu(c: CallContext): TensorValue {
  const [x, weight] = [c.tensor(0), c.tensor(1, "weight")];
  if (weight.shape?.[0] === 1) return c.node("PRelu", [x, weight]);
  // One slope per channel, dimension 1: aligned with the dimensions after it.
  const after = Math.max(0, c.rank(x) - 2);
  return c.node("PRelu", [x, c.reshape(weight, [-1, ...new Array<number>(after).fill(1)])]);
}

function mish(c: CallContext): TensorValue {
  const x = c.tensor(0);
  if (c.opset >= 18) return c.node("Mish", [x]);
  return c.node("Mul", [x, c.node("Tanh", [c.node("Softplus", [x])])]);
}

function softplus(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const beta = c.number(1, "beta", 1);
  const threshold = c.number(2, "threshold", 20);
  const scaled = beta === 1 ? x : c.node("Mul", [x, c.scalar(beta, x.dtype)]);
  const bent = c.node("Softplus", [scaled]);
  const result = beta === 1 ? bent : c.node("Div", [bent, c.scalar(beta, x.dtype)]);
  // Beyond 20 the two agree in float32.
  if (threshold >= 20) return result;
  return c.node("Where", [c.node("Greater", [scaled, c.scalar(threshold, x.dtype)], {}, bool), x, result], {}, x.dtype);
}

function glu(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const axis = c.number(1, "dim", -1);
  const size = c.shape(x).at(axis) as number;
  const halves = c.ints([size / 2, size / 2]);
  const [value, gate] = c.nodes("Split", [x, halves], { axis }, [x.dtype, x.dtype]);
  return c.node("Mul", [value, c.node("Sigmoid", [gate])]);
}

function threshold(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const limit = c.scalar(c.number(1, "threshold", 0), x.dtype);
  const value = c.scalar(c.number(2, "value", 0), x.dtype);
  return c.node("Where", [c.node("Greater", [x, limit], {}, bool), x, value], {}, x.dtype);
}

function softmaxOf(opType: string): OpExport {
  return (c: CallContext) => {
    const x = c.tensor(0);
    const axis = c.argument(1, "dim") as number | null | undefined;
    return c.node(opType, [x], { axis: axis ?? implicitDim(c, x) });
  };
}

/** PyTorch's choice where none is given. */
function implicitDim(c: CallContext, x: TensorValue): number {
  return [0, 1, 3].includes(c.rank(x)) ? 0 : 1;
}

function dropout(c: CallContext): TensorValue {
  c.require(!c.flag(2, "training"), "it is in training mode: call eval() first");
  return c.tensor(0);
}

/** As {@link dropout}; the functions train unless they are told not to. */
function functionalDropout(c: CallContext): TensorValue {
  c.require(!c.flag(2, "training", true), "it is in training mode: call eval() first");
  return c.tensor(0);
}

const shrink = (isSoft: boolean): OpExport => {
  return (c: CallContext) => {
    const lambd = c.number(1, "lambd", 0.5);
    return c.node("Shrink", [c.tensor(0)], { lambd: { float: lambd }, bias: { float: isSoft ? lambd : 0 } });
  };
};

export const activationExports: OpExports = {
  relu: plain("Relu"),
  relu6: (c) => clip(c, c.tensor(0), 0, 6),
  hardtanh: (c) => clip(c, c.tensor(0), c.number(1, "minVal", -1), c.number(2, "maxVal", 1)),
  hardsigmoid: (c) => c.node("HardSigmoid", [c.tensor(0)], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
  hardswish,
  leakyRelu: (c) => c.node("LeakyRelu", [c.tensor(0)], { alpha: { float: c.number(1, "negativeSlope", 0.01) } }),
  elu: (c) => c.node("Elu", [c.tensor(0)], { alpha: { float: c.number(1, "alpha", 1) } }),
  celu: (c) => c.node("Celu", [c.tensor(0)], { alpha: { float: c.number(1, "alpha", 1) } }),
  selu: plain("Selu"),
  silu: (c) => c.node("Mul", [c.tensor(0), c.node("Sigmoid", [c.tensor(0)])]),
  mish,
  gelu,
  prelu,
  softplus,
  glu,
  threshold,
  softsign: plain("Softsign"),
  tanhshrink: (c) => c.node("Sub", [c.tensor(0), c.node("Tanh", [c.tensor(0)])]),
  hardshrink: shrink(false),
  softshrink: shrink(true),
  logsigmoid: (c) => c.node("Neg", [c.node("Softplus", [c.node("Neg", [c.tensor(0)])])]),
  sigmoid: plain("Sigmoid"),
  tanh: plain("Tanh"),
  softmax: softmaxOf("Softmax"),
  logSoftmax: softmaxOf("LogSoftmax"),
  softmin: (c) => softmaxOf("Softmax")(c.with([c.node("Neg", [c.tensor(0)]), ...c.args.slice(1)], c.kwargs)),
  dropout: functionalDropout,
  dropout1d: functionalDropout,
  dropout2d: functionalDropout,
  dropout3d: functionalDropout,
  alphaDropout: dropout,
  featureAlphaDropout: dropout,
};
