/** How additions, products and joins of tensors are lowered. */
import { add, mul } from "../../../ops/elementwise.ts";
import { matmul } from "../../../ops/linear.ts";
import * as quantized from "../../../ops/quantized/arithmetic.ts";
import { cat } from "../../../ops/rearrange.ts";
import type { LoweringEntries } from "../lowering.ts";
import { same } from "../lowering.ts";

export const arithmeticLowerings: LoweringEntries = [
  [add, { kind: "binary", quantized: quantized.add, quantizedRelu: quantized.addRelu }],
  [mul, { kind: "binary", quantized: quantized.mul, quantizedRelu: quantized.mulRelu }],
  [matmul, { kind: "binary", quantized: quantized.matmul }],
  [cat, same],
];
