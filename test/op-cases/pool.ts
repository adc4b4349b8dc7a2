/** How the pools of src/ops/pool.ts and src/ops/adaptive-pool.ts are called. */
import * as adaptive from "../../src/ops/adaptive-pool.ts";
import * as ops from "../../src/ops/pool.ts";
import type { SpatialSize } from "../../src/ops/spatial.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { OpCase, OpTable } from "./types.ts";
import { optionsOf } from "./types.ts";

type PoolCall<Size, O> = (input: Tensor, size: Size, options?: O) => Tensor | [Tensor, Tensor];

function windowed<O>(op: PoolCall<SpatialSize, O>, noDifferences?: OpCase["noDifferences"]): OpCase {
  const call: OpCase["call"] = ({ input }, { kernelSize, ...options }) =>
    op(input, kernelSize as SpatialSize, ...(optionsOf(options) as [O?]));
  return noDifferences ? { call, noDifferences } : { call };
}

function toSize<O>(op: PoolCall<adaptive.AdaptiveSize, O>, noDifferences?: OpCase["noDifferences"]): OpCase {
  const call: OpCase["call"] = ({ input }, { outputSize, ...options }) =>
    op(input, outputSize as adaptive.AdaptiveSize, ...(optionsOf(options) as [O?]));
  return noDifferences ? { call, noDifferences } : { call };
}

export const poolCases: OpTable = {
  maxPool1d: windowed(ops.maxPool1d, { max_pool1d_minus_infinity: "infinities" }),
  maxPool2d: windowed(ops.maxPool2d, { max_pool2d_ties: "ties", max_pool2d_nan: "NaN and infinities" }),
  maxPool3d: windowed(ops.maxPool3d),
  avgPool1d: windowed(ops.avgPool1d),
  avgPool2d: windowed(ops.avgPool2d),
  avgPool3d: windowed(ops.avgPool3d),
  adaptiveAvgPool1d: toSize(adaptive.adaptiveAvgPool1d),
  adaptiveAvgPool2d: toSize(adaptive.adaptiveAvgPool2d),
  adaptiveAvgPool3d: toSize(adaptive.adaptiveAvgPool3d),
  adaptiveMaxPool1d: toSize(adaptive.adaptiveMaxPool1d),
  adaptiveMaxPool2d: toSize(adaptive.adaptiveMaxPool2d, { adaptive_max_pool2d_nan: "NaN" }),
  adaptiveMaxPool3d: toSize(adaptive.adaptiveMaxPool3d),
};
