/** What operators with a sliding window have in common: their attributes, and padding at both ends. */
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext } from "../import-context.ts";
import type { SymbolicShape } from "../import-value.ts";

export interface Window {
  /** NaN where it is that of a weight whose size is not known. */
  readonly kernel: number[];
  readonly strides: number[];
  readonly dilations: number[];
  /** Padding before and after each spatial dimension. */
  readonly begins: number[];
  readonly ends: number[];
  /** The output is ⌈input / stride⌉ long; an odd element of padding goes to the upper (far) or the lower end. */
  readonly same: "upper" | "lower" | null;
}

/** The window of a node; its size may be that of a weight. */
export function windowOf(c: NodeContext, weightSize: SymbolicShape = []): Window {
  const kernel = c.ints("kernel_shape") ?? weightSize.map((size) => (typeof size === "number" ? size : NaN));
  c.require(kernel.length > 0, "the size of its window is not known");
  const ones = kernel.map(() => 1);
  const autoPad = c.text("auto_pad", "NOTSET");
  c.require(!autoPad.startsWith("SAME") || kernel.every(Number.isInteger), "its padding follows from an unknown size");
  const pads = (autoPad === "NOTSET" && c.ints("pads")) || kernel.flatMap(() => [0, 0]);
  return {
    kernel,
    strides: c.ints("strides") ?? ones,
    dilations: c.ints("dilations") ?? ones,
    begins: pads.slice(0, kernel.length),
    ends: pads.slice(kernel.length),
    same: autoPad === "SAME_UPPER" ? "upper" : autoPad === "SAME_LOWER" ? "lower" : null,
  };
}

/** Amounts as `pad` takes them: the last dimension first. */
export function padAmounts(begins: readonly number[], ends: readonly number[]): number[] {
  const pairs = begins.map((begin, d) => [begin, ends[d]]);
  return pairs.toReversed().flat();
}

interface SameOptions {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly isUpper: boolean;
  readonly value: number;
}

/** The padding at both ends of dimension `d` of a given size, so that the output is ⌈size / stride⌉ long. */
export function samePadding(
  size: number,
  options: Omit<SameOptions, "value">,
  d: number,
): [begin: number, end: number] {
  const { kernel, strides, dilations, isUpper } = options;
  const extent = dilations[d] * (kernel[d] - 1) + 1;
  const total = Math.max(0, (Math.ceil(size / strides[d]) - 1) * strides[d] + extent - size);
  const less = Math.floor(total / 2);
  return isUpper ? [less, total - less] : [total - less, less];
}

/** Pads the spatial dimensions of [N, C, *] by an amount that depends on their size. */
export const padForSame = traceable("onnx.padForSame", (x: Tensor, options: SameOptions): Tensor => {
  const pairs = options.kernel.map((_, d) => samePadding(x.shape[d + 2], options, d));
  const amounts = padAmounts(
    pairs.map(([begin]) => begin),
    pairs.map(([, end]) => end),
  );
  return ops.pad(x, amounts, { value: options.value });
});
