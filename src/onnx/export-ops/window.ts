/** What convolutions and pools share. */
import type { CallContext } from "../export-context.ts";
import type { TensorValue } from "../export-value.ts";

/** ONNX knows only batches: an input without one gets one for the length of the operator. */
export function batched(
  c: CallContext,
  x: TensorValue,
  rank: number,
  run: (x: TensorValue) => TensorValue,
): TensorValue {
  if (x.shape?.length !== rank + 1) return run(x);
  return c.squeeze(run(c.unsqueeze(x, [0])), [0]);
}
