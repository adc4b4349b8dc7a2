/** The recipes of Linear and of what is fused with it. */
import { Linear as FloatLinear } from "../../../nn/modules/linear.ts";
import { ReLU } from "../../../nn/modules/activation.ts";
import { BatchNorm1d } from "../../../nn/modules/norm.ts";
import { NonDynamicallyQuantizableLinear } from "../../../nn/modules/multihead-attention.ts";
import { fuseLinearBn, wrapInto } from "../fusers.ts";
import type { Recipe } from "../recipe.ts";
import * as dynamic from "./dynamic.ts";
import * as fused from "./fused.ts";
import * as qat from "./qat.ts";
import * as quantized from "./quantized.ts";
import * as reference from "./reference.ts";

export const linearRecipes: readonly Recipe[] = [
  {
    float: FloatLinear,
    qat: qat.Linear,
    quantized: quantized.Linear,
    reference: reference.Linear,
    dynamic: dynamic.Linear,
    observed: true,
  },
  {
    float: NonDynamicallyQuantizableLinear,
    qat: qat.Linear,
    quantized: quantized.Linear,
    dynamic: dynamic.Linear,
    observed: true,
  },
  { float: qat.DynamicLinear, dynamic: dynamic.Linear, observed: true },
  {
    float: fused.LinearReLU,
    qat: qat.LinearReLU,
    quantized: quantized.LinearReLU,
    dynamic: dynamic.LinearReLU,
    fusions: [{ pattern: [FloatLinear, ReLU], fuse: wrapInto(fused.LinearReLU) }],
    observed: true,
  },
  {
    float: fused.LinearBn1d,
    qat: qat.LinearBn1d,
    quantizedFromQat: quantized.Linear,
    fusions: [{ pattern: [FloatLinear, BatchNorm1d], fuse: fuseLinearBn(fused.LinearBn1d) }],
    observed: true,
  },
  { float: fused.LinearLeakyReLU, quantized: quantized.LinearLeakyReLU, observed: true },
  { float: fused.LinearTanh, quantized: quantized.LinearTanh, observed: true },
].map((recipe) => Object.freeze(recipe));
