/**
 * What a function or tensor method becomes when a graph in reference form is lowered: how `dequantize → operator → quantize`
 * turns into integer arithmetic. Modules say the same by their recipes.
 */
import type { DType } from "../../core/dtype.ts";
import type { Argument, Kwargs } from "../../fx/argument.ts";
import type { TargetFunction } from "../../fx/targets.ts";

/** A function with a weight, which is packed once, ahead. Packing takes its arguments without the input. */
export interface WeightedLowering {
  readonly kind: "weighted";
  readonly prepack: TargetFunction;
  /** (input, packed, scale, zeroPoint) */
  readonly quantized: TargetFunction;
  readonly quantizedRelu?: TargetFunction;
  readonly dynamic?: readonly DynamicLowering[];
}

/** For float inputs that are quantized at each call. */
export interface DynamicLowering {
  readonly activation: DType;
  readonly weight: DType;
  readonly prepack: TargetFunction;
  /** (input, packed, reduceRange), without `reduceRange` for float16. */
  readonly quantized: TargetFunction;
  readonly quantizedRelu: TargetFunction;
}

/** A function of two tensors, (a, b, scale, zeroPoint), or of a tensor and a number, (a, number). */
export interface BinaryLowering {
  readonly kind: "binary";
  readonly quantized: TargetFunction;
  readonly quantizedRelu?: TargetFunction;
}

/** A function whose quantized form takes the output's qparams. */
export interface OutputQparamsLowering {
  readonly kind: "output qparams";
  readonly quantized: TargetFunction;
  /** The quantized form's positional arguments. */
  readonly args: (
    args: readonly Argument[],
    kwargs: Kwargs,
    scale: Argument,
    zeroPoint: Argument,
  ) => readonly Argument[];
}

/** The operator itself takes quantized tensors, and gives them on the grid of its input or on one of its own. */
export interface SameLowering {
  readonly kind: "same";
}

/** Reads the shape only, which dequantizing does not change. */
export interface MetadataLowering {
  readonly kind: "metadata";
}

export type OperatorLowering =
  WeightedLowering | BinaryLowering | OutputQparamsLowering | SameLowering | MetadataLowering;

/** A function, or the name of a tensor method. */
export type LoweredOperator = TargetFunction | string;

export type LoweringEntries = readonly (readonly [LoweredOperator, OperatorLowering])[];

export const same: SameLowering = Object.freeze({ kind: "same" });
export const metadata: MetadataLowering = Object.freeze({ kind: "metadata" });

/** Entries that say that every one of `operators` takes quantized tensors itself. */
export function sameForAll(operators: readonly LoweredOperator[]): LoweringEntries {
  return operators.map((operator) => [operator, same] as const);
}
