/** Matrix products. With a constant matrix they become nn.Linear; a constant that is added behind one becomes its bias. */
import * as nn from "../../nn/index.ts";
import type { ModuleType } from "../../fx/tracer.ts";
import type { Module } from "../../nn/module.ts";
import { withoutInit } from "../../nn/init.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Parameter } from "../../nn/parameter.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import type { SymbolicShape, Value } from "../import-value.ts";
import { einsum, einsumShape } from "./einsum.ts";

/** A layer with the weight [in, out] of an ONNX product, which takes it the other way round; `scale` is a factor of it. */
function linearLayer(c: NodeContext, weight: Tensor, isTransposed: boolean, scale = 1): nn.Linear {
  const [inputs, outputs] = isTransposed ? [weight.shape[1], weight.shape[0]] : weight.shape;
  const layer = withoutInit(() => new nn.Linear(inputs, outputs, { bias: false }));
  layer.weight = c.emit.parameter(weight, `linear ${isTransposed} ${scale}`, () => {
    const turned = isTransposed ? weight : ops.transpose(weight, 0, 1).contiguous();
    return scale === 1 ? turned : ops.mul(turned, scale);
  });
  return layer;
}

function isMatrix(value: Value): boolean {
  return value.constant?.ndim === 2 && value.constant.dtype.isFloatingPoint;
}

function withLast(shape: SymbolicShape | null, size: number): SymbolicShape | null {
  return shape && shape.length > 0 ? [...shape.slice(0, -1), size] : null;
}

const matMul: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const [a, b] = [c.input(0), c.input(1)];
    if (isMatrix(b) && !a.constant) {
      const matrix = b.constant as Tensor;
      return c.module(linearLayer(c, matrix, false), [a], {
        shape: withLast(a.shape, matrix.shape[1]),
        weight: b.name,
      });
    }
    const isReal = !a.dtype || a.dtype.isFloatingPoint;
    return c.call(isReal ? ops.matmul : integerMatmul, [a, b], { shape: productShape(a.shape, b.shape) });
  },
};

/** Products of integers are exact in float64 up to 2^53. */
export const integerMatmul = traceable("onnx.integerMatmul", (a: Tensor, b: Tensor): Tensor =>
  ops.matmul(a.double(), b.double()).to(a.dtype),
);

export function productShape(a: SymbolicShape | null, b: SymbolicShape | null): SymbolicShape | null {
  if (!a || !b || a.length < 2 || b.length < 2) return null;
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const batch = long.slice(0, -2).map((size, d) => {
    const other = short[d - (long.length - short.length)];
    return d < long.length - short.length || other === 1 || other === size ? size : size === 1 ? other : null;
  });
  return [...batch, a[a.length - 2], b[b.length - 1]];
}

type Layer =
  nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d;

const layerTypes: readonly ModuleType[] = [
  nn.Linear,
  nn.Conv1d,
  nn.Conv2d,
  nn.Conv3d,
  nn.ConvTranspose1d,
  nn.ConvTranspose2d,
  nn.ConvTranspose3d,
];

function isLayer(module: Module | null): module is Layer {
  return layerTypes.some((type) => module instanceof type);
}

/**
 * If `b` is a constant per channel that is added to what a layer without bias gives, and nobody else uses that, makes it the
 * bias and returns the layer's value.
 */
export function absorbBias(c: NodeContext, a: Value, b: Value): Value | null {
  const { constant } = b;
  const layer = c.emit.moduleOf(a);
  if (!constant || !isLayer(layer) || layer.bias || !c.emit.isUsedOnce(a.name)) return null;
  const rank = layer.weight.ndim;
  const outputs = layer instanceof nn.Linear ? layer.outFeatures : layer.outChannels;
  // Counted from the end of the shape, because that is how shapes broadcast.
  const channelDim = layer instanceof nn.Linear ? -1 : 1 - rank;
  const mostDims = layer instanceof nn.Linear ? Math.max(1, a.shape?.length ?? 1) : rank;
  const fits = constant.numel() === outputs && constant.shape.at(channelDim) === outputs && constant.ndim <= mostDims;
  if (!fits || constant.ndim < -channelDim) return null;
  layer.bias = c.emit.parameter(constant, "bias", () => constant.reshape([-1]));
  c.emit.absorb(a);
  return a;
}

/** alpha · A · B + beta · C, where A and B may be transposed. */
export const gemmOf = traceable(
  "onnx.gemm",
  (
    a: Tensor,
    b: Tensor,
    c: Tensor | null,
    options: { alpha: number; beta: number; transA: boolean; transB: boolean },
  ) => {
    const { alpha, beta, transA, transB } = options;
    const product = integerOrRealProduct(transA ? ops.t(a) : a, transB ? ops.t(b) : b);
    const scaled = alpha === 1 ? product : ops.mul(product, alpha);
    if (!c || beta === 0) return scaled;
    return ops.add(scaled, beta === 1 ? c : ops.mul(c, beta));
  },
);

function integerOrRealProduct(a: Tensor, b: Tensor): Tensor {
  return a.dtype.isFloatingPoint ? ops.matmul(a, b) : integerMatmul(a, b);
}

const gemm: OnnxOp = {
  since: [1, 7],
  import(c: NodeContext) {
    const [a, b, bias] = [c.input(0), c.input(1), c.optional(2)];
    const options = {
      alpha: c.float("alpha", 1),
      beta: c.float("beta", 1),
      transA: c.int("transA", 0) !== 0,
      transB: c.int("transB", 0) !== 0,
    };
    const outputs = b.shape?.[options.transB ? 0 : 1] ?? null;
    const rows = a.shape?.[options.transA ? 1 : 0] ?? null;
    const shape = [rows, outputs];
    const vector = bias?.constant ? biasVector(bias.constant, outputs, options.beta) : null;
    if (!isMatrix(b) || a.constant || (bias && !vector)) {
      return c.call(gemmOf, [a, b, bias], { kwargs: options, shape });
    }
    const layer = linearLayer(c, b.constant as Tensor, options.transB, options.alpha);
    if (vector && options.beta !== 0) layer.bias = new Parameter(vector);
    const input = options.transA ? c.call(ops.t, [a]) : a;
    return c.module(layer, [input], { shape, weight: b.name });
  },
};

/** A bias of one number, or one for each column; null if it differs between rows. */
function biasVector(bias: Tensor, outputs: SymbolicShape[number], beta: number): Tensor | null {
  if (typeof outputs !== "number" || !bias.dtype.isFloatingPoint) return null;
  if (bias.numel() !== 1 && (bias.numel() !== outputs || bias.shape.at(-1) !== outputs)) return null;
  const vector = ops.expand(bias.reshape([-1]), [outputs]).contiguous();
  return beta === 1 ? vector.clone() : ops.mul(vector, beta);
}

const einsumOp: OnnxOp = {
  since: [12],
  import(c: NodeContext) {
    const equation = c.text("equation", "");
    const inputs = c.allInputs();
    return c.call(einsum, [equation, inputs], {
      shape: einsumShape(
        equation,
        inputs.map(({ shape }) => shape),
      ),
    });
  },
};

export const linearOps: OnnxOps = { Einsum: einsumOp, Gemm: gemm, MatMul: matMul };
