/**
 * What a packed convolution weight was packed with (`torch.ops.quantized.conv2d_stride`, …). Those of two dimensions also serve
 * weights packed for one, which PyTorch keeps as two-dimensional ones of height 1.
 */
import { OctetError } from "../../core/errors.ts";
import type { SpatialRank, SpatialSize } from "../spatial.ts";
import { spatialSizes } from "../spatial.ts";
import type { ConvPackedParams } from "./conv.ts";

type SizeOption = "stride" | "padding" | "outputPadding" | "dilation";

/** How the height of a one-dimensional convolution is slid over, and what is meant where an option was left out. */
const DEFAULTS: Readonly<Record<SizeOption, number>> = { stride: 1, padding: 0, outputPadding: 0, dilation: 1 };

function sizesOf(op: string, rank: SpatialRank, option: SizeOption, packed: ConvPackedParams): number[] {
  checkRank(op, rank, packed);
  const { [option]: value = DEFAULTS[option] } = packed.options as Partial<Record<SizeOption, SpatialSize | string>>;
  if (typeof value === "string" && value !== "valid") {
    throw new OctetError(`quantized.${op}: padding "${value}" depends on the kernel and has no numbers`);
  }
  const sizes = spatialSizes(`quantized.${op}`, option, typeof value === "string" ? 0 : value, packed.rank, 0);
  return [...new Array<number>(rank - packed.rank).fill(DEFAULTS[option]), ...sizes];
}

function checkRank(op: string, rank: SpatialRank, packed: ConvPackedParams): void {
  if (packed.rank === rank || (rank === 2 && packed.rank === 1)) return;
  throw new OctetError(`quantized.${op}: the weight is packed for a ${packed.rank}d convolution`);
}

type Accessor<R> = (packed: ConvPackedParams) => R;

function sizes(op: string, rank: SpatialRank, option: SizeOption): Accessor<number[]> {
  return (packed) => sizesOf(op, rank, option, packed);
}

function groups(op: string, rank: SpatialRank): Accessor<number> {
  return (packed) => {
    checkRank(op, rank, packed);
    return packed.options.groups ?? 1;
  };
}

/** PyTorch gives 0 or 1. */
function transpose(op: string, rank: SpatialRank): Accessor<boolean> {
  return (packed) => {
    checkRank(op, rank, packed);
    return packed.transposed;
  };
}

export const conv2dStride = sizes("conv2dStride", 2, "stride");
export const conv2dPadding = sizes("conv2dPadding", 2, "padding");
export const conv2dOutputPadding = sizes("conv2dOutputPadding", 2, "outputPadding");
export const conv2dDilation = sizes("conv2dDilation", 2, "dilation");
export const conv2dGroups = groups("conv2dGroups", 2);
/** Whether the weight is packed for a transposed convolution. */
export const conv2dTranspose = transpose("conv2dTranspose", 2);

export const conv3dStride = sizes("conv3dStride", 3, "stride");
export const conv3dPadding = sizes("conv3dPadding", 3, "padding");
export const conv3dOutputPadding = sizes("conv3dOutputPadding", 3, "outputPadding");
export const conv3dDilation = sizes("conv3dDilation", 3, "dilation");
export const conv3dGroups = groups("conv3dGroups", 3);
/** Whether the weight is packed for a transposed convolution. */
export const conv3dTranspose = transpose("conv3dTranspose", 3);

/** The shapes of weight and bias, stride, padding, dilation and groups, without unpacking anything. */
export function conv2dUnpackSizes(
  packed: ConvPackedParams,
): [
  weight: readonly number[],
  bias: readonly number[] | null,
  stride: number[],
  padding: number[],
  dilation: number[],
  groups: number,
] {
  return [
    packed.original.shape,
    packed.bias && packed.bias.shape,
    conv2dStride(packed),
    conv2dPadding(packed),
    conv2dDilation(packed),
    conv2dGroups(packed),
  ];
}
