/** Convolutions. With constant weights they become modules of nn; what nn has no padding for is padded or cut off apart. */
import { OctetError } from "../../core/errors.ts";
import * as nn from "../../nn/index.ts";
import { withoutInit } from "../../nn/init.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import type { Dim, SymbolicShape, Value } from "../import-value.ts";
import type { Window } from "./window.ts";
import { padAmounts, padForSame, windowOf } from "./window.ts";

const convModules = [nn.Conv1d, nn.Conv2d, nn.Conv3d];
const transposedModules = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d];
const convFunctions = [ops.conv1d, ops.conv2d, ops.conv3d];
const transposedFunctions = [ops.convTranspose1d, ops.convTranspose2d, ops.convTranspose3d];

/** Size after a convolution; null if the size before it is not a number. */
export function convolvedSize(size: Dim, window: Window, d: number, ceil = false): Dim {
  if (typeof size !== "number" || Number.isNaN(window.kernel[d])) return null;
  const { kernel, strides, dilations, begins, ends, same } = window;
  if (same) return Math.ceil(size / strides[d]);
  const room = size + begins[d] + ends[d] - dilations[d] * (kernel[d] - 1) - 1;
  return (ceil ? Math.ceil(room / strides[d]) : Math.floor(room / strides[d])) + 1;
}

function spatialShape(x: Value, channels: Dim, sizes: (d: number, size: Dim) => Dim, rank: number): SymbolicShape {
  const batch = x.shape?.[0] ?? null;
  return [batch, channels, ...Array.from({ length: rank }, (_, d) => sizes(d, x.shape?.[d + 2] ?? null))];
}

/** The input with the padding that the layer cannot do itself, and the padding that it can. */
export function paddedInput(c: NodeContext, x: Value, window: Window, value = 0): { input: Value; padding: number[] } {
  const { begins, ends, same, kernel, strides, dilations } = window;
  const none = kernel.map(() => 0);
  if (same) {
    const options = { kernel, strides, dilations, isUpper: same === "upper", value };
    return { input: c.call(padForSame, [x], { kwargs: options }), padding: none };
  }
  if (begins.every((begin, d) => begin === ends[d])) return { input: x, padding: begins };
  return { input: c.call(ops.pad, [x, padAmounts(begins, ends)], { kwargs: { value } }), padding: none };
}

const conv: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const [x, weight, bias] = [c.input(0), c.input(1), c.optional(2)];
    const rank = (weight.shape?.length ?? 0) - 2;
    c.require(
      rank >= 1 && rank <= 3,
      `its weight has ${weight.shape ? `${rank} spatial dimensions` : "no known rank"}`,
    );
    const window = windowOf(c, weight.shape?.slice(2) ?? []);
    const { input, padding } = paddedInput(c, x, window);
    const groups = c.int("group", 1);
    const options = { stride: window.strides, padding, dilation: window.dilations, groups };
    const shape = spatialShape(x, weight.shape?.[0] ?? null, (d, size) => convolvedSize(size, window, d), rank);
    if (!weight.constant || (bias && !bias.constant)) {
      return c.call(convFunctions[rank - 1], [input, weight, bias], { kwargs: options, shape });
    }
    const { constant } = weight;
    const layer = withoutInit(() => {
      const [outputs, perGroup] = constant.shape;
      const type = convModules[rank - 1];
      return new type(perGroup * groups, outputs, constant.shape.slice(2), { ...options, bias: Boolean(bias) });
    });
    setWeights(c, layer, constant, bias?.constant ?? null);
    return c.module(layer, [input], { shape, weight: weight.name });
  },
};

function setWeights(
  c: NodeContext,
  layer: Pick<nn.Conv2d, "weight" | "bias">,
  weight: Tensor,
  bias: Tensor | null,
): void {
  layer.weight = c.emit.parameter(weight, "weight", () => weight);
  if (bias) layer.bias = c.emit.parameter(bias, "weight", () => bias);
}

/** What a transposed convolution adds to or takes off the ends of its full output. */
interface Cut {
  readonly padding: number[];
  readonly outputPadding: number[];
  /** Beyond `padding`, to be taken off; negative: to be added. */
  readonly begins: number[];
  readonly ends: number[];
}

/** Total padding follows from the wanted output size, where one is given; half of it goes to each end. */
function cutOf(c: NodeContext, x: Value, window: Window): Cut {
  const { kernel, strides, dilations, same } = window;
  const outputPadding = c.ints("output_padding") ?? kernel.map(() => 0);
  const wanted = c.ints("output_shape")?.slice(-kernel.length);
  if (!same && !wanted) return symmetricCut(window.begins, window.ends, outputPadding);
  const begins: number[] = [];
  const ends = kernel.map((size, d) => {
    const extent = dilations[d] * (size - 1) + 1 + outputPadding[d];
    const input = x.shape?.[d + 2];
    if (wanted && typeof input !== "number") c.refuse("it has an output_shape, and its input's size is not known");
    const total = wanted ? strides[d] * ((input as number) - 1) + extent - wanted[d] : extent - strides[d];
    const less = Math.floor(Math.max(total, 0) / 2);
    begins[d] = same === "upper" ? less : Math.max(total, 0) - less;
    return total - begins[d];
  });
  return symmetricCut(begins, ends, outputPadding);
}

function symmetricCut(begins: readonly number[], ends: readonly number[], outputPadding: readonly number[]): Cut {
  const padding = begins.map((begin, d) => Math.max(0, Math.min(begin, ends[d])));
  return {
    padding,
    outputPadding: [...outputPadding],
    begins: begins.map((begin, d) => begin - padding[d]),
    ends: ends.map((end, d) => end - padding[d]),
  };
}

const convTranspose: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const [x, weight, bias] = [c.input(0), c.input(1), c.optional(2)];
    const rank = (weight.shape?.length ?? 0) - 2;
    c.require(
      rank >= 1 && rank <= 3,
      `its weight has ${weight.shape ? `${rank} spatial dimensions` : "no known rank"}`,
    );
    const window = windowOf(c, weight.shape?.slice(2) ?? []);
    const cut = cutOf(c, x, window);
    const groups = c.int("group", 1);
    const { padding, outputPadding } = cut;
    const options = { stride: window.strides, padding, outputPadding, dilation: window.dilations, groups };
    const outputs = typeof weight.shape?.[1] === "number" ? weight.shape[1] * groups : null;
    const shape = spatialShape(x, outputs, (d, size) => transposedSize(size, window, cut, d), rank);
    let y: Value;
    if (!weight.constant || (bias && !bias.constant)) {
      y = c.call(transposedFunctions[rank - 1], [x, weight, bias], { kwargs: options });
    } else {
      const { constant } = weight;
      const type = transposedModules[rank - 1];
      const layer = withoutInit(
        () =>
          new type(constant.shape[0], outputs as number, constant.shape.slice(2), { ...options, bias: Boolean(bias) }),
      );
      setWeights(c, layer, constant, bias?.constant ?? null);
      y = c.module(layer, [x], { weight: weight.name, shape });
    }
    if (![...cut.begins, ...cut.ends].some((amount) => amount !== 0)) return y;
    const amounts = padAmounts(cut.begins.map(negated), cut.ends.map(negated));
    return c.call(ops.pad, [y, amounts], { shape });
  },
};

function negated(amount: number): number {
  return 0 - amount;
}

function transposedSize(size: Dim, window: Window, cut: Cut, d: number): Dim {
  if (typeof size !== "number" || Number.isNaN(window.kernel[d])) return null;
  const full = window.strides[d] * (size - 1) + window.dilations[d] * (window.kernel[d] - 1) + 1 + cut.outputPadding[d];
  return full - 2 * cut.padding[d] - cut.begins[d] - cut.ends[d];
}

/** A convolution whose weight is no constant or that is part of another operator; for all ranks. */
export const convolve = traceable(
  "onnx.convolve",
  (
    x: Tensor,
    weight: Tensor,
    options: { strides: number[]; begins: number[]; ends: number[]; dilations: number[]; groups: number },
  ) => {
    const rank = weight.ndim - 2;
    if (rank < 1 || rank > 3)
      throw new OctetError(`onnx.convolve: a weight of ${weight.ndim} dimensions is not supported`);
    const padded = ops.pad(x, padAmounts(options.begins, options.ends));
    const { strides, dilations, groups } = options;
    return convFunctions[rank - 1](padded, weight, null, { stride: strides, dilation: dilations, groups });
  },
);

export const convOps: OnnxOps = { Conv: conv, ConvTranspose: convTranspose };
