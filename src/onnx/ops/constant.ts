/** Constants, ranges, and what passes its input on: perhaps as another dtype. */
import type { DType } from "../../core/dtype.ts";
import { bool, float32, int64 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import { to } from "../../ops/conversions.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import type { Value } from "../import-value.ts";
import { onnxDataTypes } from "../model.ts";
import { dtypeOf, toTensor } from "../tensor.ts";

/** The value is one of several attributes. */
const constant: OnnxOp = {
  since: [1],
  import(c: NodeContext) {
    const tensor = c.attribute("value", "tensor");
    if (tensor) {
      c.require(dtypeOf(tensor.dataType), `its value is a tensor of ${tensor.dataType}`);
      return c.emit.constant(toTensor(tensor, { wideIntegers: "clamp" }));
    }
    const [reals, wholes] = [c.floats("value_floats"), c.ints("value_ints")];
    if (reals) return c.emit.constant(ops.tensor(reals));
    if (wholes) return c.emit.constant(ops.tensor(wholes, { dtype: int64 }));
    if (c.has("value_float")) return c.emit.constant(ops.tensor(c.float("value_float", 0)));
    if (c.has("value_int")) return c.emit.constant(ops.tensor(c.int("value_int", 0), { dtype: int64 }));
    return c.refuse(`its value is in ${[...c.node.attributes.keys()].join(", ") || "no attribute"}`);
  },
};

const filled = traceable("onnx.constantOfShape", (shape: Tensor, value: number, dtype: DType): Tensor =>
  ops.full(Array.from(shape.toNumbers()), value, { dtype }),
);

const constantOfShape: OnnxOp = {
  since: [9],
  import(c: NodeContext) {
    const given = c.attribute("value", "tensor");
    const value = given ? toTensor(given) : Tensor.zeros([1], float32);
    const { elements } = c.input(0);
    return c.call(filled, [c.input(0), value.item(), value.dtype], { dtype: value.dtype, shape: elements });
  },
};

const rangeOf = traceable("onnx.range", (start: Tensor, limit: Tensor, delta: Tensor): Tensor => {
  const [first, last, step] = [start.item(), limit.item(), delta.item()];
  if (step === 0) throw new OctetError("onnx.range: the step is 0");
  const count = Math.max(0, Math.ceil((last - first) / step));
  const values = Float64Array.from({ length: count }, (_, i) => first + i * step);
  return ops.fromArray(values).to(start.dtype);
});

const range: OnnxOp = {
  since: [11],
  import: (c) => c.call(rangeOf, [c.input(0), c.input(1), c.input(2)], { shape: [null] }),
};

const eyeOf = traceable("onnx.eyeLike", (x: Tensor, k: number, dtype: DType | null): Tensor => {
  const [rows, columns] = x.shape;
  const out = Tensor.zeros(x.shape, dtype ?? x.dtype);
  for (let row = 0; row < rows; row++) {
    if (row + k >= 0 && row + k < columns) out.writeAt(row * columns + row + k, 1);
  }
  return out;
});

const eyeLike: OnnxOp = {
  since: [9],
  import(c: NodeContext) {
    const x = c.input(0);
    const dtype = c.has("dtype") ? typeOf(c, c.int("dtype", 1)) : null;
    return c.call(eyeOf, [x, c.int("k", 0), dtype], { dtype: dtype ?? x.dtype, ...sameAs(x) });
  },
};

/** The dtype with a number of the file's. */
function typeOf(c: NodeContext, code: number): DType {
  const name = onnxDataTypes[code];
  const dtype = name && dtypeOf(name);
  c.require(dtype, `it makes tensors of ${name ?? `the unknown type ${code}`}`);
  // Narrower integers are not cut off to their range in the wider dtype that holds them.
  c.require(
    !["uint16", "uint32", "uint64"].includes(name) && !/^(float8|float4|u?int[24]$)/.test(name),
    `it casts to ${name}`,
  );
  return dtype;
}

function converted(c: NodeContext, x: Value, dtype: DType): Value {
  if (x.dtype === dtype) return x;
  return c.call(to, [x, dtype], {
    dtype,
    ...sameAs(x),
    elements: dtype.category === 1 && x.dtype?.category === 1 ? x.elements : null,
  });
}

const cast: OnnxOp = {
  since: [6],
  import: (c) => converted(c, c.input(0), typeOf(c, c.int("to", 1))),
};

const castLike: OnnxOp = {
  since: [15],
  import(c: NodeContext) {
    const { dtype } = c.input(1);
    c.require(dtype, "the dtype of its second input is not known");
    return converted(c, c.input(0), dtype);
  },
};

/** In evaluation, what goes in comes out; the mask is all true. */
const dropout: OnnxOp = {
  since: [1, 7, 12],
  import(c: NodeContext) {
    const x = c.input(0);
    const training = c.optional(2);
    c.require(!training || training.constant?.item() === 0, "it may be in training mode");
    if (!c.hasOutput(1)) return x;
    return [x, c.call(ops.onesLike, [x], { kwargs: { dtype: bool }, dtype: bool, ...sameAs(x) })];
  },
};

export const constantOps: OnnxOps = {
  Cast: cast,
  CastLike: castLike,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Dropout: dropout,
  EyeLike: eyeLike,
  Identity: { since: [1], import: (c) => c.input(0) },
  Range: range,
};
