/** How normalizations that are called as functions are lowered. Their weights stay float. */
import { groupNorm, instanceNorm, layerNorm } from "../../../ops/norm.ts";
import * as quantized from "../../../ops/quantized/norm.ts";
import type { LoweringEntries } from "../lowering.ts";

const EPS = 1e-5;

export const normLowerings: LoweringEntries = [
  [
    layerNorm,
    {
      kind: "output qparams",
      quantized: quantized.layerNorm,
      args: ([x, normalizedShape], { weight = null, bias = null, eps = EPS }, scale, zeroPoint) => [
        x,
        normalizedShape,
        weight,
        bias,
        eps,
        scale,
        zeroPoint,
      ],
    },
  ],
  [
    instanceNorm,
    {
      kind: "output qparams",
      quantized: quantized.instanceNorm,
      args: ([x], { weight = null, bias = null, eps = EPS }, scale, zeroPoint) => [
        x,
        weight,
        bias,
        eps,
        scale,
        zeroPoint,
      ],
    },
  ],
];

/** Functions whose weight is not quantized although they are. */
export const floatWeightNorms: readonly unknown[] = [layerNorm, groupNorm, instanceNorm];
