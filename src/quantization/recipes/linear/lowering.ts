/** How `F.linear` is lowered. */
import { float16, qint8, quint8 } from "../../../core/dtype.ts";
import { linear } from "../../../ops/linear.ts";
import * as quantized from "../../../ops/quantized/linear.ts";
import * as half from "../../../ops/quantized/linear-fp16.ts";
import type { LoweringEntries } from "../lowering.ts";

export const linearLowerings: LoweringEntries = [
  [
    linear,
    {
      kind: "weighted",
      prepack: quantized.linearPrepack,
      quantized: quantized.linear,
      quantizedRelu: quantized.linearRelu,
      dynamic: [
        {
          activation: quint8,
          weight: qint8,
          prepack: quantized.linearPrepack,
          quantized: quantized.linearDynamic,
          quantizedRelu: quantized.linearReluDynamic,
        },
        {
          activation: float16,
          weight: float16,
          prepack: half.linearPrepackFp16,
          quantized: half.linearDynamicFp16,
          quantizedRelu: half.linearReluDynamicFp16,
        },
      ],
    },
  ],
];
