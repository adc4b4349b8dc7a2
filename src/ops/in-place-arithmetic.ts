/** Arithmetic that writes into its first operand. */
import { isGradEnabled } from "../autograd/grad-mode.ts";
import type { BinaryName } from "../kernels/kernels.ts";
import { Tensor } from "../tensor/tensor.ts";
import {
  abs,
  add,
  ceil,
  div,
  exp,
  floor,
  log,
  mul,
  neg,
  pow,
  reciprocal,
  round,
  rsqrt,
  sigmoid,
  sqrt,
  square,
  sub,
  tanh,
  trunc,
} from "./arithmetic.ts";
import type { AlphaOptions } from "./arithmetic.ts";
import type { Operand } from "./broadcast.ts";
import { canWriteInto, evaluateBinary_ } from "./broadcast.ts";
import { addcdiv, addcmul, clamp, lerp } from "./combinations.ts";
import { clone } from "./copy.ts";
import { assign_, isInterpreted, traceable } from "./op.ts";

/** True if a call on these operands would be recorded, or refused because it changes the base of a view. */
function recording(...operands: readonly Operand[]): boolean {
  return isGradEnabled() && operands.some((o) => o instanceof Tensor && (o.requiresGrad || o.base?.requiresGrad));
}

/**
 * True if a call may go straight to the kernel: nobody watches for the operator inside, its operands are plain numbers,
 * there is nothing to record, and `self` can be written while it is read.
 */
function directly(self: Tensor, other: Operand): boolean {
  const quantized = self.isQuantized || (other instanceof Tensor && other.isQuantized);
  return !isInterpreted() && !quantized && !recording(self, other) && canWriteInto(self, other);
}

function inPlace(name: string, kernel: BinaryName, op: (a: Tensor, b: Operand) => Tensor, integers = true) {
  return traceable(name, (self: Tensor, other: Operand): Tensor => {
    if (directly(self, other) && (integers || self.dtype.isFloatingPoint)) {
      return evaluateBinary_(name, kernel, self, other);
    }
    // The gradient rule keeps the operand, which is about to be overwritten.
    return assign_(name, self, op(recording(self, other) ? clone(self) : self, other));
  });
}

/** self += alpha · other. */
export const add_ = traceable("add_", (self: Tensor, other: Operand, options: AlphaOptions = {}): Tensor => {
  const { alpha = 1 } = options;
  if (!directly(self, other) || !self.dtype.isFloatingPoint) return assign_("add_", self, add(self, other, options));
  return evaluateBinary_("add_", alpha === 1 ? "add" : "addScaled", self, other, alpha);
});

/** self −= alpha · other. */
export const sub_ = traceable("sub_", (self: Tensor, other: Operand, options: AlphaOptions = {}): Tensor => {
  const { alpha = 1 } = options;
  if (!directly(self, other) || !self.dtype.isFloatingPoint) return assign_("sub_", self, sub(self, other, options));
  return evaluateBinary_("sub_", alpha === 1 ? "sub" : "addScaled", self, other, -alpha);
});

/** self *= other. */
export const mul_ = inPlace("mul_", "mul", mul);

/** self /= other. */
export const div_ = inPlace("div_", "div", (a, b) => div(a, b), false);

/** self **= other. */
export const pow_ = inPlace("pow_", "pow", pow, false);

// ---------------------------------------------------------------- functions of the tensor itself

function overwriting<A extends readonly unknown[]>(name: string, op: (x: Tensor, ...args: A) => Tensor) {
  // As above: a rule may keep the input, if only for the gradient of another argument.
  return traceable(name, (self: Tensor, ...args: A): Tensor =>
    assign_(name, self, op(isGradEnabled() ? clone(self) : self, ...args)),
  );
}

export const clamp_ = overwriting("clamp_", clamp);
export const neg_ = overwriting("neg_", neg);
export const abs_ = overwriting("abs_", abs);
export const square_ = overwriting("square_", square);
export const ceil_ = overwriting("ceil_", ceil);
export const floor_ = overwriting("floor_", floor);
export const round_ = overwriting("round_", round);
export const trunc_ = overwriting("trunc_", trunc);
export const sqrt_ = overwriting("sqrt_", sqrt);
export const rsqrt_ = overwriting("rsqrt_", rsqrt);
export const reciprocal_ = overwriting("reciprocal_", reciprocal);
export const exp_ = overwriting("exp_", exp);
export const log_ = overwriting("log_", log);
export const tanh_ = overwriting("tanh_", tanh);
export const sigmoid_ = overwriting("sigmoid_", sigmoid);
export const lerp_ = overwriting("lerp_", lerp);
export const addcmul_ = overwriting("addcmul_", addcmul);
export const addcdiv_ = overwriting("addcdiv_", addcdiv);
