/** The recipes of normalizations that are not folded into the layer before them. */
import { ReLU } from "../../../nn/modules/activation.ts";
import * as float from "../../../nn/modules/norm.ts";
import { wrapInto } from "../fusers.ts";
import type { Recipe } from "../recipe.ts";
import * as fused from "./fused.ts";
import * as quantized from "./quantized.ts";

export const normRecipes: readonly Recipe[] = [
  { float: float.BatchNorm2d, quantized: quantized.BatchNorm2d, observed: true },
  { float: float.BatchNorm3d, quantized: quantized.BatchNorm3d, observed: true },
  {
    float: fused.BNReLU2d,
    quantized: quantized.BNReLU2d,
    fusions: [{ pattern: [float.BatchNorm2d, ReLU], fuse: wrapInto(fused.BNReLU2d) }],
    observed: true,
  },
  {
    float: fused.BNReLU3d,
    quantized: quantized.BNReLU3d,
    fusions: [{ pattern: [float.BatchNorm3d, ReLU], fuse: wrapInto(fused.BNReLU3d) }],
    observed: true,
  },
  { float: float.LayerNorm, quantized: quantized.LayerNorm, observed: true },
  { float: float.GroupNorm, quantized: quantized.GroupNorm, observed: true },
  { float: float.InstanceNorm1d, quantized: quantized.InstanceNorm1d, observed: true },
  { float: float.InstanceNorm2d, quantized: quantized.InstanceNorm2d, observed: true },
  { float: float.InstanceNorm3d, quantized: quantized.InstanceNorm3d, observed: true },
].map((recipe) => Object.freeze(recipe));
