/**
 * Everything that works element by element: arithmetic and real functions (arithmetic.ts), comparison and logic
 * (comparison.ts), limits and other combinations (combinations.ts), and what writes in place. Import from here.
 */
export {
  abs,
  acos,
  add,
  asDtype,
  asin,
  atan,
  atan2,
  ceil,
  cos,
  cosh,
  div,
  erf,
  exp,
  expm1,
  floor,
  floorDivide,
  fmod,
  log,
  log10,
  log1p,
  log2,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  remainder,
  round,
  rsqrt,
  sigmoid,
  sign,
  sin,
  sinh,
  sqrt,
  square,
  sub,
  tan,
  tanh,
  trunc,
  where,
} from "./arithmetic.ts";
export type { AlphaOptions } from "./arithmetic.ts";
export * from "./comparison.ts";
export * from "./combinations.ts";
export * from "./in-place-arithmetic.ts";
