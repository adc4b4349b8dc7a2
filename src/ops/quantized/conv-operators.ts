/** The convolutions of conv.ts under PyTorch's names: one operator for each rank, plain and transposed. */
import { OctetError } from "../../core/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ConvOptions, ConvTransposeOptions } from "../conv.ts";
import type { Op } from "../op.ts";
import type { SpatialRank } from "../spatial.ts";
import type { ConvPackedParams } from "./conv.ts";
import { conv, convAdd, convAddRelu, convDynamic, convPrepack, convRelu, convTransposePrepack } from "./conv.ts";
import { quantizedOperator } from "./operator.ts";

/** (x, packed, scale, zeroPoint): x [N, C, …size] or [C, …size]; the result on the grid of (scale, zeroPoint) in x's dtype. */
export type StaticConv = Op<[x: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number], Tensor>;

/** (x, addend, packed, scale, zeroPoint): the convolution of x plus `addend`. */
export type StaticConvAdd = Op<
  [x: Tensor, addend: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number],
  Tensor
>;

/** (x, packed, reduceRange): a float32 x, quantized by its own range; the result is float32. */
export type DynamicConv = Op<[x: Tensor, packed: ConvPackedParams, reduceRange?: boolean], Tensor>;

/** (weight, bias, options): packs a quantized weight and its float32 bias. */
export type ConvPrepack<O> = Op<[weight: Tensor, bias?: Tensor | null, options?: O], ConvPackedParams>;

/** Refuses a weight packed for another rank or direction. */
function checked(name: string, packed: ConvPackedParams, rank: SpatialRank, transposed: boolean): ConvPackedParams {
  if (packed.rank !== rank || packed.transposed !== transposed) {
    const kind = `${packed.transposed ? "transposed " : ""}${packed.rank}d convolution`;
    throw new OctetError(`quantized.${name}: the weight is packed for a ${kind}`);
  }
  return packed;
}

type RunStatic = (x: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number) => Tensor;

function staticConv(name: string, rank: SpatialRank, transposed: boolean, run: RunStatic): StaticConv {
  return quantizedOperator(name, (x: Tensor, packed: ConvPackedParams, scale: number, zeroPoint: number) =>
    run(x, checked(name, packed, rank, transposed), scale, zeroPoint),
  );
}

function dynamicConv(name: string, rank: SpatialRank, transposed: boolean): DynamicConv {
  return quantizedOperator(name, (x: Tensor, packed: ConvPackedParams, reduceRange: boolean = false) =>
    convDynamic(x, checked(name, packed, rank, transposed), reduceRange),
  );
}

function prepack(rank: SpatialRank): ConvPrepack<ConvOptions> {
  return quantizedOperator(
    `conv${rank}dPrepack`,
    (weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}) => convPrepack(rank, weight, bias, options),
  );
}

function transposePrepack(rank: SpatialRank): ConvPrepack<ConvTransposeOptions> {
  return quantizedOperator(
    `convTranspose${rank}dPrepack`,
    (weight: Tensor, bias: Tensor | null = null, options: ConvTransposeOptions = {}) =>
      convTransposePrepack(rank, weight, bias, options),
  );
}

export const conv1d = staticConv("conv1d", 1, false, conv);
export const conv2d = staticConv("conv2d", 2, false, conv);
export const conv3d = staticConv("conv3d", 3, false, conv);
export const conv1dRelu = staticConv("conv1dRelu", 1, false, convRelu);
export const conv2dRelu = staticConv("conv2dRelu", 2, false, convRelu);
export const conv3dRelu = staticConv("conv3dRelu", 3, false, convRelu);
export const convTranspose1d = staticConv("convTranspose1d", 1, true, conv);
export const convTranspose2d = staticConv("convTranspose2d", 2, true, conv);
export const convTranspose3d = staticConv("convTranspose3d", 3, true, conv);

/** conv2d(x) + addend, rounded once. (PyTorch has it for engine onednn only.) */
export const conv2dAdd: StaticConvAdd = quantizedOperator("conv2dAdd", (x, addend, packed, scale, zeroPoint) =>
  convAdd(x, addend, checked("conv2dAdd", packed, 2, false), scale, zeroPoint),
);
/** relu(conv2d(x) + addend), rounded once. */
export const conv2dAddRelu: StaticConvAdd = quantizedOperator("conv2dAddRelu", (x, addend, packed, scale, zeroPoint) =>
  convAddRelu(x, addend, checked("conv2dAddRelu", packed, 2, false), scale, zeroPoint),
);

export const conv1dDynamic = dynamicConv("conv1dDynamic", 1, false);
export const conv2dDynamic = dynamicConv("conv2dDynamic", 2, false);
export const conv3dDynamic = dynamicConv("conv3dDynamic", 3, false);
export const convTranspose1dDynamic = dynamicConv("convTranspose1dDynamic", 1, true);
export const convTranspose2dDynamic = dynamicConv("convTranspose2dDynamic", 2, true);
export const convTranspose3dDynamic = dynamicConv("convTranspose3dDynamic", 3, true);

export const conv1dPrepack = prepack(1);
export const conv2dPrepack = prepack(2);
export const conv3dPrepack = prepack(3);
export const convTranspose1dPrepack = transposePrepack(1);
export const convTranspose2dPrepack = transposePrepack(2);
export const convTranspose3dPrepack = transposePrepack(3);
