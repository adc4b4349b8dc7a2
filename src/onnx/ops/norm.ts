/** Normalizations. With constant weights they become modules of nn. */
import * as nn from "../../nn/index.ts";
import * as F from "../../nn/functional.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { float32 } from "../../core/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import { wrappedDim } from "../import-value.ts";

interface NormOptions {
  readonly eps: number;
  readonly affine?: boolean;
}
type BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d;
type InstanceNorm = nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d;

/** By rank of the input. */
const batchNorms: Readonly<Record<number, new (channels: number, options: NormOptions) => BatchNorm>> = {
  2: nn.BatchNorm1d,
  3: nn.BatchNorm1d,
  4: nn.BatchNorm2d,
  5: nn.BatchNorm3d,
};
const instanceNorms: Readonly<Record<number, new (channels: number, options: NormOptions) => InstanceNorm>> = {
  3: nn.InstanceNorm1d,
  4: nn.InstanceNorm2d,
  5: nn.InstanceNorm3d,
};

const batchNormalization: OnnxOp = {
  since: [1, 7, 9, 14],
  import(c: NodeContext) {
    const x = c.input(0);
    const isTraining = c.int("training_mode", 0) !== 0 || (c.opset < 7 && c.int("is_test", 0) === 0);
    c.require(!isTraining, "it is in training mode");
    c.require(c.opset >= 9 || c.int("spatial", 1) !== 0, "it normalizes every position apart");
    const eps = c.float("epsilon", 1e-5);
    const type = batchNorms[x.shape?.length ?? 0];
    const [weight, bias, mean, variance] = [1, 2, 3, 4].map((i) => c.input(i).constant);
    if (!type || !weight || !bias || !mean || !variance) {
      const vectors = [3, 4, 1, 2].map((i) => c.input(i));
      return c.call(F.batchNorm, [x, ...vectors], { kwargs: { eps }, ...sameAs(x) });
    }
    const norm = new type(weight.numel(), { eps });
    norm.weight = c.emit.parameter(weight, "weight", () => weight);
    norm.bias = c.emit.parameter(bias, "weight", () => bias);
    norm.running_mean = mean;
    norm.running_var = variance;
    return c.module(norm, [x], { ...sameAs(x), weight: c.input(1).name });
  },
};

const instanceNormalization: OnnxOp = {
  since: [6],
  import(c: NodeContext) {
    const [x, scale, bias] = [c.input(0), c.input(1), c.input(2)];
    const eps = c.float("epsilon", 1e-5);
    const type = instanceNorms[x.shape?.length ?? 0];
    if (!type || !scale.constant || !bias.constant) {
      return c.call(F.instanceNorm, [x], { kwargs: { weight: scale, bias, eps }, ...sameAs(x) });
    }
    const [weight, offset] = [scale.constant, bias.constant];
    const norm = new type(weight.numel(), { eps, affine: true });
    norm.weight = c.emit.parameter(weight, "weight", () => weight);
    norm.bias = c.emit.parameter(offset, "weight", () => offset);
    return c.module(norm, [x], { ...sameAs(x), weight: scale.name });
  },
};

/** With the mean and the inverse deviation, which keep the normalized dimensions with size 1. */
const layerNormOf = traceable(
  "onnx.layerNormalization",
  (x: Tensor, axis: number, eps: number, scale: Tensor, bias: Tensor | null): readonly Tensor[] => {
    const dims = x.shape.map((_, d) => d).slice(axis < 0 ? axis + x.ndim : axis);
    const mean = ops.mean(x, dims, { keepdim: true });
    const centred = ops.sub(x, mean);
    const inverse = ops.rsqrt(ops.add(ops.mean(ops.square(centred), dims, { keepdim: true }), eps));
    const scaled = ops.mul(ops.mul(centred, inverse), scale);
    return [bias ? ops.add(scaled, bias) : scaled, mean, inverse];
  },
);

const layerNormalization: OnnxOp = {
  since: [17],
  import(c: NodeContext) {
    const [x, scale, bias] = [c.input(0), c.input(1), c.optional(2)];
    const [axis, eps] = [c.int("axis", -1), c.float("epsilon", 1e-5)];
    const length = axis < 0 ? -axis : (x.shape?.length ?? NaN) - axis;
    const fits = scale.constant?.ndim === length && (!bias || bias.constant?.ndim === length);
    if (!fits || c.hasOutput(1) || c.hasOutput(2)) {
      const tuple = c.call(layerNormOf, [x, axis, eps, scale, bias]);
      const reduced = x.shape?.map((size, d) => (d < wrappedDim(axis, x.shape?.length ?? 0) ? size : 1)) ?? null;
      const facts = { dtype: x.dtype, shape: reduced };
      return c.items(tuple, [{ dtype: x.dtype, ...sameAs(x) }, facts, facts]);
    }
    const [weight, offset] = [scale.constant as Tensor, bias?.constant ?? null];
    const norm = new nn.LayerNorm([...weight.shape], { eps });
    norm.weight = c.emit.parameter(weight, "weight", () => weight);
    norm.bias = offset && c.emit.parameter(offset, "weight", () => offset);
    return c.module(norm, [x], { ...sameAs(x), weight: scale.name });
  },
};

/** Before version 21 there was a scale per group. */
const groupNormOf = traceable(
  "onnx.groupNormalization",
  (x: Tensor, groups: number, scale: Tensor, bias: Tensor, eps: number): Tensor => {
    const repeats = scale.numel() === groups ? x.shape[1] / groups : 1;
    const perChannel = (vector: Tensor): Tensor => (repeats === 1 ? vector : ops.repeatInterleave(vector, repeats));
    return F.groupNorm(x, groups, { weight: perChannel(scale), bias: perChannel(bias), eps });
  },
);

const groupNormalization: OnnxOp = {
  since: [18, 21],
  import(c: NodeContext) {
    const [x, weight, bias] = [c.input(0), c.input(1), c.input(2)];
    const [groups, eps] = [c.int("num_groups", 1), c.float("epsilon", 1e-5)];
    if (c.opset >= 21) return c.call(F.groupNorm, [x, groups], { kwargs: { weight, bias, eps }, ...sameAs(x) });
    return c.call(groupNormOf, [x, groups, weight, bias, eps], sameAs(x));
  },
};

/** Vectors of zeros stay zeros. */
const lpNormOf = traceable("onnx.lpNormalization", (x: Tensor, p: number, axis: number): Tensor => {
  const norm =
    p === 1 ? ops.sum(ops.abs(x), axis, { keepdim: true }) : ops.sqrt(ops.sum(ops.square(x), axis, { keepdim: true }));
  return ops.where(ops.eq(norm, 0), ops.zerosLike(x), ops.div(x, norm));
});

const lpNormalization: OnnxOp = {
  since: [1],
  import: (c) => c.call(lpNormOf, [c.input(0), c.int("p", 2), c.int("axis", -1)], sameAs(c.input(0))),
};

/** The variance has 1e-9 added to its root, as ONNX defines it. */
const meanVarianceOf = traceable("onnx.meanVarianceNormalization", (x: Tensor, axes: readonly number[]): Tensor => {
  const mean = ops.mean(x, axes, { keepdim: true });
  const variance = ops.sub(ops.mean(ops.square(x), axes, { keepdim: true }), ops.square(mean));
  return ops.div(ops.sub(x, mean), ops.add(ops.sqrt(variance), 1e-9));
});

/** x / (bias + alpha / size · Σ x²)^beta, the sum over `size` neighbouring channels. */
const lrnOf = traceable(
  "onnx.lrn",
  (x: Tensor, options: { size: number; alpha: number; beta: number; bias: number }): Tensor => {
    const { size, alpha, beta, bias } = options;
    const before = Math.floor((size - 1) / 2);
    const spatial = x.shape.slice(2).flatMap(() => [0, 0]);
    const squares = ops.pad(ops.square(x), [...spatial, before, size - 1 - before]);
    const channels = x.shape[1];
    let sum = ops.narrow(squares, 1, 0, channels);
    for (let i = 1; i < size; i++) sum = ops.add(sum, ops.narrow(squares, 1, i, channels));
    return ops.div(x, ops.pow(ops.add(ops.mul(sum, alpha / size), bias), beta));
  },
);

const lrn: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const size = c.int("size", 0);
    c.require(size > 0, "its attribute size is missing");
    const kwargs = { size, alpha: c.float("alpha", 1e-4), beta: c.float("beta", 0.75), bias: c.float("bias", 1) };
    return c.call(lrnOf, [c.input(0)], { kwargs, ...sameAs(c.input(0)) });
  },
};

const rmsNormOf = traceable("onnx.rmsNormalization", (x: Tensor, scale: Tensor, axis: number, eps: number): Tensor => {
  const dims = x.shape.map((_, d) => d).slice(axis < 0 ? axis + x.ndim : axis);
  const wide = x.to(float32);
  const inverse = ops.rsqrt(ops.add(ops.mean(ops.square(wide), dims, { keepdim: true }), eps));
  return ops.mul(ops.mul(wide, inverse).to(x.dtype), scale);
});

const rmsNormalization: OnnxOp = {
  since: [23],
  import(c: NodeContext) {
    const args = [c.input(0), c.input(1), c.int("axis", -1), c.float("epsilon", 1e-5)];
    return c.call(rmsNormOf, args, sameAs(c.input(0)));
  },
};

export const normOps: OnnxOps = {
  BatchNormalization: batchNormalization,
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LRN: lrn,
  LayerNormalization: layerNormalization,
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: {
    since: [9],
    import: (c) => c.call(meanVarianceOf, [c.input(0), c.ints("axes") ?? [0, 2, 3]], sameAs(c.input(0))),
  },
  RMSNormalization: rmsNormalization,
};
