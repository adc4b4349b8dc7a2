/** How the matrix products and layers of src/ops/linear.ts are called. */
import * as ops from "../../src/ops/linear.ts";
import { transpose } from "../../src/ops/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { OpTable } from "./types.ts";
import { direct } from "./types.ts";

/** A view with the last two dimensions swapped, where a case asks for one. */
function turned(x: Tensor, wanted: unknown): Tensor {
  return wanted ? transpose(x, -1, -2) : x;
}

export const linearCases: OpTable = {
  mm: direct(ops.mm),
  bmm: direct(ops.bmm),
  mv: direct(ops.mv),
  dot: direct(ops.dot),
  outer: direct(ops.outer),
  matmul: {
    call: ({ a, b }, { transposedLeft, transposedRight }) =>
      ops.matmul(turned(a, transposedLeft), turned(b, transposedRight)),
  },
  addmm: direct(ops.addmm),
  addmv: direct(ops.addmv),
  addr: direct(ops.addr),
  baddbmm: direct(ops.baddbmm),
  linear: { call: ({ input, weight, bias }) => ops.linear(input, weight, bias) },
  bilinear: { call: ({ input1, input2, weight, bias }) => ops.bilinear(input1, input2, weight, bias) },
};
