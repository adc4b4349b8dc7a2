/** Convolutions for ONNX: functions, and modules whose weight may be quantized. */
import type { ConvNd, ConvTransposeNd } from "../../nn/modules/conv.ts";
import type { CallContext, OpExports } from "../export-context.ts";
import type { Attributes } from "../export-builder.ts";
import { withBias } from "../export-quantized.ts";
import type { QuantizedValue, TensorValue } from "../export-value.ts";
import { dynamicConv } from "./dynamic.ts";
import { weightOf } from "./weight.ts";
import { batched } from "./window.ts";

interface ConvParts {
  readonly input: TensorValue;
  readonly weight: TensorValue;
  readonly bias: TensorValue | null;
  /** The integers behind the weight. */
  readonly quantized: QuantizedValue | null;
}

const biasShape = (rank: number): number[] => [1, -1, ...new Array<number>(rank).fill(1)];

function convAttributes(c: CallContext, rank: number, kernel: readonly number[]): Attributes {
  const dilations = c.sizes(5, "dilation", rank, 1);
  const strides = c.sizes(3, "stride", rank, 1);
  return {
    kernel_shape: kernel,
    strides,
    pads: padsOf(c, rank, kernel, dilations),
    dilations,
    group: c.number(6, "groups", 1),
  };
}

/** All that stand before, then all that stand behind. */
function padsOf(c: CallContext, rank: number, kernel: readonly number[], dilations: readonly number[]): number[] {
  const padding = c.argument(4, "padding");
  if (padding === "same") {
    const totals = kernel.map((taps, d) => dilations[d] * (taps - 1));
    return [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))];
  }
  const amounts = padding === "valid" ? new Array<number>(rank).fill(0) : c.sizes(4, "padding", rank, 0);
  return [...amounts, ...amounts];
}

function convWith(c: CallContext, rank: number, { input, weight, bias, quantized }: ConvParts): TensorValue {
  const attributes = convAttributes(c, rank, c.shape(weight).slice(2));
  return batched(c, input, rank, (x) => {
    const dynamic = quantized && dynamicConv(c, x, quantized, bias, attributes);
    if (dynamic) return dynamic;
    const factors = { x, weight: quantized, bias };
    return withBias(c, factors, biasShape(rank), (fitting) => c.node("Conv", [x, weight, fitting], attributes));
  });
}

function transposedAttributes(c: CallContext, rank: number, kernel: readonly number[]): Attributes {
  const pads = c.sizes(4, "padding", rank, 0);
  return {
    kernel_shape: kernel,
    strides: c.sizes(3, "stride", rank, 1),
    pads: [...pads, ...pads],
    output_padding: c.sizes(5, "outputPadding", rank, 0),
    group: c.number(6, "groups", 1),
    dilations: c.sizes(7, "dilation", rank, 1),
  };
}

function transposedWith(c: CallContext, rank: number, { input, weight, bias, quantized }: ConvParts): TensorValue {
  const attributes = transposedAttributes(c, rank, c.shape(weight).slice(2));
  return batched(c, input, rank, (x) => {
    const factors = { x, weight: quantized, bias };
    return withBias(c, factors, biasShape(rank), (fitting) =>
      c.node("ConvTranspose", [x, weight, fitting], attributes),
    );
  });
}

function functionalParts(c: CallContext): ConvParts {
  const weight = c.tensor(1, "weight");
  const quantized = weight.integers?.constant ? weight.integers : null;
  return { input: c.tensor(0), weight, bias: c.optionalTensor(2, "bias"), quantized };
}

const ranks = [1, 2, 3];

export const convExports: OpExports = Object.fromEntries(
  ranks.flatMap((rank) => [
    [`conv${rank}d`, (c: CallContext) => convWith(c, rank, functionalParts(c))],
    [`convTranspose${rank}d`, (c: CallContext) => transposedWith(c, rank, functionalParts(c))],
  ]),
);

function moduleParts(c: CallContext, module: ConvNd | ConvTransposeNd, path: string): ConvParts {
  const [input, bias] = [c.tensor(0), c.optionalParameter(`${path}.bias`, module.bias)];
  return { input, bias, ...weightOf(c, module, path) };
}

export function convModule(c: CallContext, module: ConvNd, path: string): TensorValue {
  const { stride, dilation, groups, paddingMode, kernelSize } = module;
  const rank = kernelSize.length;
  const parts = moduleParts(c, module, path);
  const options = { stride, dilation, groups, padding: module.padding };
  if (paddingMode === "zeros") return convWith(c.with([], options), rank, parts);
  const pads = padsOf(c.with([], options), rank, kernelSize, dilation);
  const mode = { reflect: "reflect", replicate: "edge", circular: "wrap" }[paddingMode];
  if (mode === "wrap") c.builder.needs(19);
  const around = (half: readonly number[]) => [...new Array<number>(c.rank(parts.input) - rank).fill(0), ...half];
  const amounts = c.ints([...around(pads.slice(0, rank)), ...around(pads.slice(rank))]);
  const padded = { ...c.node("Pad", [parts.input, amounts], { mode }), shape: parts.input.shape };
  return convWith(c.with([], { ...options, padding: 0 }), rank, { ...parts, input: padded });
}

export function convTransposeModule(c: CallContext, module: ConvTransposeNd, path: string): TensorValue {
  c.require(c.args.length === 1, "an outputSize cannot be written; give outputPadding");
  const { stride, dilation, groups, outputPadding, padding } = module;
  const options = { stride, dilation, groups, outputPadding, padding };
  return transposedWith(c.with([], options), module.kernelSize.length, moduleParts(c, module, path));
}
