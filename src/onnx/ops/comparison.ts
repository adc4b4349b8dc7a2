/** Comparisons, logic and bits. */
import { bool } from "../../core/dtype.ts";
import * as ops from "../../ops/index.ts";
import { traceable } from "../../ops/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { OnnxOp, OnnxOps } from "../import-context.ts";
import { sameAs } from "../import-context.ts";
import { broadcastShape } from "../import-value.ts";
import { binary, unary } from "./arithmetic.ts";

const compared = (fn: Parameters<typeof binary>[0]): OnnxOp => binary(fn, { dtype: bool });
const logical = (fn: Parameters<typeof binary>[0]): OnnxOp => binary(fn, { dtype: bool, exact: true });

function test(fn: Parameters<typeof binary>[0], since: number): OnnxOp {
  return { since: [since], import: (c) => c.call(fn, [c.input(0)], { ...sameAs(c.input(0)), dtype: bool }) };
}

const isSignedInfinity = traceable("onnx.isSignedInfinity", (x: Tensor, negative: boolean, positive: boolean): Tensor =>
  ops.logicalOr(ops.logicalAnd(ops.eq(x, Infinity), positive), ops.logicalAnd(ops.eq(x, -Infinity), negative)),
);

const isInf: OnnxOp = {
  since: [10],
  import(c) {
    const [negative, positive] = [c.int("detect_negative", 1) !== 0, c.int("detect_positive", 1) !== 0];
    const facts = { ...sameAs(c.input(0)), dtype: bool };
    return negative && positive
      ? c.call(ops.isinf, [c.input(0)], facts)
      : c.call(isSignedInfinity, [c.input(0), negative, positive], facts);
  },
};

const bitwiseNot = traceable("onnx.bitwiseNot", (x: Tensor): Tensor =>
  x.dtype.isSigned ? ops.sub(ops.neg(x), 1) : ops.sub(x.dtype.max, x),
);

/** Integers as multiples of powers of two: exact up to 2^53. */
const bitShift = traceable("onnx.bitShift", (x: Tensor, by: Tensor, direction: string): Tensor => {
  const factor = ops.pow(2, by.double());
  const wide = x.double();
  if (direction === "RIGHT") return ops.floor(ops.div(wide, factor)).to(x.dtype);
  const range = x.dtype.max + 1;
  return (Number.isSafeInteger(range) ? ops.remainder(ops.mul(wide, factor), range) : ops.mul(wide, factor)).to(
    x.dtype,
  );
});

const shift: OnnxOp = {
  since: [11],
  import(c) {
    const [a, b] = [c.input(0), c.input(1)];
    return c.call(bitShift, [a, b, c.text("direction", "LEFT")], { shape: broadcastShape(a.shape, b.shape) });
  },
};

const choose: OnnxOp = {
  since: [9],
  import(c) {
    const [condition, a, b] = [c.input(0), c.input(1), c.input(2)];
    const shape = broadcastShape(broadcastShape(condition.shape, a.shape), b.shape);
    return c.call(ops.where, [condition, a, b], { dtype: a.dtype ?? b.dtype, shape });
  },
};

export const comparisonOps: OnnxOps = {
  And: logical(ops.logicalAnd),
  BitShift: shift,
  BitwiseAnd: binary(ops.bitwiseAnd, { exact: true }),
  BitwiseNot: unary(bitwiseNot, 18),
  BitwiseOr: binary(ops.bitwiseOr, { exact: true }),
  BitwiseXor: binary(ops.bitwiseXor, { exact: true }),
  Equal: compared(ops.eq),
  Greater: compared(ops.gt),
  GreaterOrEqual: compared(ops.ge),
  IsInf: isInf,
  IsNaN: test(ops.isnan, 9),
  Less: compared(ops.lt),
  LessOrEqual: compared(ops.le),
  Not: test(ops.logicalNot, 1),
  Or: logical(ops.logicalOr),
  Where: choose,
  Xor: logical(ops.logicalXor),
};
