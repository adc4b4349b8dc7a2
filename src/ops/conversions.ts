/** Changes of dtype as methods: `x.to(float64)`, `x.double()`. */
import type { DType } from "../core/dtype.ts";
import { bool, float16, float32, float64, int16, int32, int64, int8, uint8 } from "../core/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { asDtype } from "./elementwise.ts";
import { composite } from "./op.ts";

function conversion(name: string, dtype: DType) {
  return composite(name, (x: Tensor): Tensor => asDtype(x, dtype));
}

/** The tensor in another dtype, or in that of another tensor; itself if nothing changes. */
export const to = composite("to", (x: Tensor, target: DType | Tensor): Tensor =>
  asDtype(x, target instanceof Tensor ? target.dtype : target),
);

/** The tensor in the dtype of another one. */
export const typeAs = composite("typeAs", (x: Tensor, other: Tensor): Tensor => asDtype(x, other.dtype));

export const float = conversion("float", float32);
export const double = conversion("double", float64);
export const half = conversion("half", float16);
export const char = conversion("char", int8);
export const byte = conversion("byte", uint8);
export const short = conversion("short", int16);
export const int = conversion("int", int32);
export const long = conversion("long", int64);

const toBool = conversion("bool", bool);
export { toBool as bool };
