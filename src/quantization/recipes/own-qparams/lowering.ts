/** How functions of one tensor whose output has qparams of its own are lowered. */
import type { Kwargs } from "../../../fx/argument.ts";
import { elu, hardswish, leakyRelu } from "../../../ops/activation.ts";
import { dropout } from "../../../ops/dropout.ts";
import * as quantized from "../../../ops/quantized/activation.ts";
import type { LoweringEntries } from "../lowering.ts";

const option = (kwargs: Kwargs, name: string, otherwise: number) => kwargs[name] ?? otherwise;

export const ownQparamsLowerings: LoweringEntries = [
  [
    hardswish,
    {
      kind: "output qparams",
      quantized: quantized.hardswish,
      args: ([x], _, scale, zeroPoint) => [x, scale, zeroPoint],
    },
  ],
  [
    elu,
    {
      kind: "output qparams",
      quantized: quantized.elu,
      args: ([x], kwargs, scale, zeroPoint) => [x, scale, zeroPoint, option(kwargs, "alpha", 1)],
    },
  ],
  [
    leakyRelu,
    {
      kind: "output qparams",
      quantized: quantized.leakyRelu,
      args: ([x], kwargs, scale, zeroPoint) => [x, option(kwargs, "negativeSlope", 0.01), false, scale, zeroPoint],
    },
  ],
  [
    dropout,
    { kind: "output qparams", quantized: quantized.dropout, args: ([x], _, scale, zeroPoint) => [x, scale, zeroPoint] },
  ],
];
