/** Normalizations for ONNX. What ONNX needs and PyTorch may leave out (weight and bias) is filled in. */
import { float32, int64 } from "../../core/dtype.ts";
import type { BatchNorm, RunningNorm } from "../../nn/modules/norm.ts";
import { full } from "../../ops/create.ts";
import type { CallContext, OpExports, Operand } from "../export-context.ts";
import type { TensorValue } from "../export-value.ts";

function filled(c: CallContext, shape: readonly number[], value: number, like: TensorValue): TensorValue {
  const dtype = like.dtype.isFloatingPoint ? like.dtype : float32;
  return c.stored(full(shape, value, { dtype }), value === 1 ? "ones" : "zeros");
}

interface NormParts {
  readonly mean: Operand;
  readonly variance: Operand;
  readonly weight: TensorValue | null;
  readonly bias: TensorValue | null;
  readonly eps: number;
}

/** With running statistics. */
function batchNormWith(c: CallContext, x: TensorValue, parts: NormParts, channels: number): TensorValue {
  const weight = parts.weight ?? filled(c, [channels], 1, x);
  const bias = parts.bias ?? filled(c, [channels], 0, x);
  const inputs = [x, weight, bias, parts.mean, parts.variance];
  return c.node("BatchNormalization", inputs, { epsilon: { float: parts.eps } });
}

export function batchNormModule(c: CallContext, module: BatchNorm, path: string): TensorValue {
  const { running_mean, running_var, eps } = module;
  c.require(!module.training, "it is in training mode: call eval() first");
  c.require(running_mean && running_var, "it has no running statistics");
  const parts = {
    mean: c.parameter(`${path}.running_mean`, running_mean),
    variance: c.parameter(`${path}.running_var`, running_var),
    weight: c.optionalParameter(`${path}.weight`, module.weight),
    bias: c.optionalParameter(`${path}.bias`, module.bias),
    eps,
  };
  return batchNormWith(c, c.tensor(0), parts, module.numFeatures);
}

function batchNorm(c: CallContext): TensorValue {
  c.require(!c.flag(5, "training"), "it is in training mode: call eval() first");
  const [x, mean, variance] = [c.tensor(0), c.tensor(1), c.tensor(2)];
  const parts = {
    mean,
    variance,
    weight: c.optionalTensor(3, "weight"),
    bias: c.optionalTensor(4, "bias"),
    eps: c.number(7, "eps", 1e-5),
  };
  return batchNormWith(c, x, parts, mean.shape?.[0] ?? c.shape(x)[1]);
}

/** Instances by their own statistics; without a batch there is one. */
function instanceNormWith(
  c: CallContext,
  x: TensorValue,
  weight: TensorValue | null,
  bias: TensorValue | null,
  eps: number,
  channels: number,
): TensorValue {
  const inputs = [x, weight ?? filled(c, [channels], 1, x), bias ?? filled(c, [channels], 0, x)];
  return c.node("InstanceNormalization", inputs, { epsilon: { float: eps } });
}

export function instanceNormModule(c: CallContext, module: RunningNorm, path: string): TensorValue {
  if (!module.training && module.running_mean) return batchNormModule(c, module as BatchNorm, path);
  c.require(!module.trackRunningStats, "it is in training mode: call eval() first");
  const [weight, bias] = [module.weight, module.bias];
  return instanceNormWith(
    c,
    c.tensor(0),
    c.optionalParameter(`${path}.weight`, weight),
    c.optionalParameter(`${path}.bias`, bias),
    module.eps,
    module.numFeatures,
  );
}

function instanceNorm(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const [weight, bias] = [c.optionalTensor(9, "weight"), c.optionalTensor(9, "bias")];
  const eps = c.number(9, "eps", 1e-5);
  const channels = weight?.shape?.[0] ?? c.shape(x)[1];
  if (c.flag(9, "useInputStats", true)) return instanceNormWith(c, x, weight, bias, eps, channels);
  const [mean, variance] = [c.tensor(9, "runningMean"), c.tensor(9, "runningVar")];
  return batchNormWith(c, x, { mean, variance, weight, bias, eps }, channels);
}

function layerNorm(c: CallContext): TensorValue {
  c.builder.needs(17);
  const x = c.tensor(0);
  const shape = c.numbers(1, "normalizedShape") ?? [];
  const weight = c.optionalTensor(2, "weight") ?? filled(c, shape, 1, x);
  const eps = c.number(4, "eps", 1e-5);
  const inputs = [x, weight, c.optionalTensor(3, "bias")];
  return c.node("LayerNormalization", inputs, { axis: -shape.length, epsilon: { float: eps } });
}

/** Groups become channels of an instance normalization, which every version knows. */
function groupNorm(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const groups = c.number(1, "numGroups", 1);
  const eps = c.number(4, "eps", 1e-5);
  const after = c
    .shape(x)
    .slice(2)
    .map(() => 1);
  const flat = c.reshape(x, [0, groups, -1]);
  const normal = instanceNormWith(c, flat, null, null, eps, groups);
  const back = c.node("Reshape", [normal, c.node("Shape", [x], {}, int64)], {}, x.dtype);
  const perChannel = (value: TensorValue) => c.reshape(value, [-1, ...after]);
  const [weight, bias] = [c.optionalTensor(2, "weight"), c.optionalTensor(3, "bias")];
  const scaled = weight ? c.node("Mul", [back, perChannel(weight)]) : back;
  return bias ? c.node("Add", [scaled, perChannel(bias)]) : scaled;
}

function rmsNorm(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const shape = c.numbers(1, "normalizedShape") ?? [];
  const eps = (c.kwargs.eps ?? 2 ** -23) as number;
  const axes = shape.map((_, d) => d - shape.length);
  const squares = c.node("Mul", [x, x]);
  const mean =
    c.opset >= 18 ? c.node("ReduceMean", [squares, c.ints(axes)]) : c.node("ReduceMean", [squares], { axes });
  const root = c.node("Sqrt", [c.node("Add", [mean, c.scalar(eps, x.dtype)])]);
  const normal = c.node("Div", [x, root]);
  const weight = c.optionalTensor(2, "weight");
  return weight ? c.node("Mul", [normal, weight]) : normal;
}

function normalize(c: CallContext): TensorValue {
  const x = c.tensor(0);
  const p = c.number(1, "p", 2);
  c.require(p === 1 || p === 2, `the norm ${p} has no form in ONNX`);
  const [dim, eps] = [c.number(2, "dim", 1), c.number(3, "eps", 1e-12)];
  const op = `ReduceL${p}`;
  const norm = c.opset >= 18 ? c.node(op, [x, c.ints([dim])]) : c.node(op, [x], { axes: [dim] });
  return c.node("Div", [x, c.node("Max", [norm, c.scalar(eps, x.dtype)])]);
}

export const normExports: OpExports = { batchNorm, instanceNorm, layerNorm, groupNorm, rmsNorm, normalize };
