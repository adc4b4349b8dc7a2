/**
 * Attaches the operators to Tensor as methods: the one place with that side effect. A method has the name of its operator
 * and takes `self` as the operator's first argument; adding one is a line in the interface and a word in the table.
 * (An interface that extends a mapped type would save the first list, but TypeScript finds that circular.)
 */
import { Tensor } from "../tensor/tensor.ts";
import * as elementwise from "./elementwise.ts";

/** The operator without its first argument. */
export type Method<F> = F extends (self: Tensor, ...args: infer A) => infer R ? (...args: A) => R : never;

declare module "../tensor/tensor.ts" {
  interface Tensor {
    add: Method<typeof elementwise.add>;
    add_: Method<typeof elementwise.add_>;
    sub: Method<typeof elementwise.sub>;
    sub_: Method<typeof elementwise.sub_>;
    mul: Method<typeof elementwise.mul>;
    mul_: Method<typeof elementwise.mul_>;
    div: Method<typeof elementwise.div>;
    div_: Method<typeof elementwise.div_>;
    floorDivide: Method<typeof elementwise.floorDivide>;
    remainder: Method<typeof elementwise.remainder>;
    fmod: Method<typeof elementwise.fmod>;
    pow: Method<typeof elementwise.pow>;
    pow_: Method<typeof elementwise.pow_>;
    maximum: Method<typeof elementwise.maximum>;
    minimum: Method<typeof elementwise.minimum>;
    atan2: Method<typeof elementwise.atan2>;
    eq: Method<typeof elementwise.eq>;
    ne: Method<typeof elementwise.ne>;
    lt: Method<typeof elementwise.lt>;
    le: Method<typeof elementwise.le>;
    gt: Method<typeof elementwise.gt>;
    ge: Method<typeof elementwise.ge>;
    logicalAnd: Method<typeof elementwise.logicalAnd>;
    logicalOr: Method<typeof elementwise.logicalOr>;
    logicalXor: Method<typeof elementwise.logicalXor>;
    logicalNot: Method<typeof elementwise.logicalNot>;
    bitwiseAnd: Method<typeof elementwise.bitwiseAnd>;
    bitwiseOr: Method<typeof elementwise.bitwiseOr>;
    bitwiseXor: Method<typeof elementwise.bitwiseXor>;
    isnan: Method<typeof elementwise.isnan>;
    isinf: Method<typeof elementwise.isinf>;
    isfinite: Method<typeof elementwise.isfinite>;
    isclose: Method<typeof elementwise.isclose>;
    allclose: Method<typeof elementwise.allclose>;
    neg: Method<typeof elementwise.neg>;
    abs: Method<typeof elementwise.abs>;
    sign: Method<typeof elementwise.sign>;
    square: Method<typeof elementwise.square>;
    ceil: Method<typeof elementwise.ceil>;
    floor: Method<typeof elementwise.floor>;
    round: Method<typeof elementwise.round>;
    trunc: Method<typeof elementwise.trunc>;
    sqrt: Method<typeof elementwise.sqrt>;
    rsqrt: Method<typeof elementwise.rsqrt>;
    reciprocal: Method<typeof elementwise.reciprocal>;
    exp: Method<typeof elementwise.exp>;
    expm1: Method<typeof elementwise.expm1>;
    log: Method<typeof elementwise.log>;
    log2: Method<typeof elementwise.log2>;
    log10: Method<typeof elementwise.log10>;
    log1p: Method<typeof elementwise.log1p>;
    sin: Method<typeof elementwise.sin>;
    cos: Method<typeof elementwise.cos>;
    tan: Method<typeof elementwise.tan>;
    asin: Method<typeof elementwise.asin>;
    acos: Method<typeof elementwise.acos>;
    atan: Method<typeof elementwise.atan>;
    sinh: Method<typeof elementwise.sinh>;
    cosh: Method<typeof elementwise.cosh>;
    tanh: Method<typeof elementwise.tanh>;
    sigmoid: Method<typeof elementwise.sigmoid>;
    erf: Method<typeof elementwise.erf>;
    clamp: Method<typeof elementwise.clamp>;
    lerp: Method<typeof elementwise.lerp>;
    addcmul: Method<typeof elementwise.addcmul>;
    addcdiv: Method<typeof elementwise.addcdiv>;
  }
}

/** Operators that are not methods under their own name. */
const { where: _where, asDtype: _asDtype, ...elementwiseMethods } = elementwise;

const methods: Readonly<Record<string, unknown>> = {
  ...elementwiseMethods,
};

for (const [name, operator] of Object.entries(methods) as [string, (...args: unknown[]) => unknown][]) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...args: unknown[]) {
      return operator(this, ...args);
    },
    configurable: true,
    writable: true,
  });
}
