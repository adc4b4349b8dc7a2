/**
 * Attaches the operators to Tensor as methods: the one place with that side effect. A method has the name of its operator
 * and takes `self` as the operator's first argument; adding one is a line in the interface and a word in the table.
 * (An interface that extends a mapped type would save the first list, but TypeScript finds that circular.)
 */
import { OctetError } from "../core/errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import * as activation from "./activation.ts";
import * as copy from "./copy.ts";
import * as autograd from "./autograd-methods.ts";
import * as conversions from "./conversions.ts";
import * as create from "./create.ts";
import * as elementwise from "./elementwise.ts";
import * as indexing from "./indexing.ts";
import * as linear from "./linear.ts";
import * as quantize from "./quantize.ts";
import "./quantized/activation.ts";
import "./quantized/arithmetic.ts";
import "./quantized/pool.ts";
import "./quantized/resize.ts";
import "./quantized/tensor-forms.ts";
import * as random from "./random.ts";
import * as reduce from "./reduce.ts";
import type { ExtremeMethod } from "./reduce.ts";
import { resize_ } from "./resize.ts";
import * as shape from "./shape.ts";
import { logSoftmax, softmax } from "./softmax.ts";
import * as sort from "./sort.ts";
import type { MedianMethod, UniqueMethod } from "./sort.ts";
import * as statistics from "./statistics.ts";
import * as subscript from "./subscript.ts";
import { unfold } from "./windows.ts";

/** The operator without its first argument. */
export type Method<F extends (...args: never[]) => unknown> = (...args: Rest<Parameters<F>>) => ReturnType<F>;

type Rest<P> = P extends readonly [self: unknown, ...rest: infer A] ? A : never;

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
    equal: Method<typeof elementwise.equal>;
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
    clamp_: Method<typeof elementwise.clamp_>;
    neg_: Method<typeof elementwise.neg_>;
    abs_: Method<typeof elementwise.abs_>;
    square_: Method<typeof elementwise.square_>;
    ceil_: Method<typeof elementwise.ceil_>;
    floor_: Method<typeof elementwise.floor_>;
    round_: Method<typeof elementwise.round_>;
    trunc_: Method<typeof elementwise.trunc_>;
    sqrt_: Method<typeof elementwise.sqrt_>;
    rsqrt_: Method<typeof elementwise.rsqrt_>;
    reciprocal_: Method<typeof elementwise.reciprocal_>;
    exp_: Method<typeof elementwise.exp_>;
    log_: Method<typeof elementwise.log_>;
    tanh_: Method<typeof elementwise.tanh_>;
    sigmoid_: Method<typeof elementwise.sigmoid_>;
    lerp_: Method<typeof elementwise.lerp_>;
    addcmul_: Method<typeof elementwise.addcmul_>;
    addcdiv_: Method<typeof elementwise.addcdiv_>;
    relu: Method<typeof activation.relu>;
    relu_: Method<typeof activation.relu_>;
    prelu: Method<typeof activation.prelu>;
    hardshrink: Method<typeof activation.hardshrink>;
    softmax: Method<typeof softmax>;
    logSoftmax: Method<typeof logSoftmax>;
    view: Method<typeof shape.view>;
    reshape: Method<typeof shape.reshape>;
    flatten: Method<typeof shape.flatten>;
    unflatten: Method<typeof shape.unflatten>;
    squeeze: Method<typeof shape.squeeze>;
    unsqueeze: Method<typeof shape.unsqueeze>;
    expand: Method<typeof shape.expand>;
    expandAs: Method<typeof shape.expandAs>;
    broadcastTo: Method<typeof shape.broadcastTo>;
    permute: Method<typeof shape.permute>;
    transpose: Method<typeof shape.transpose>;
    t: Method<typeof shape.t>;
    movedim: Method<typeof shape.movedim>;
    narrow: Method<typeof shape.narrow>;
    select: Method<typeof shape.select>;
    slice: Method<typeof shape.slice>;
    diagonal: Method<typeof shape.diagonal>;
    asStrided: Method<typeof shape.asStrided>;
    unbind: Method<typeof shape.unbind>;
    unfold: Method<typeof unfold>;
    split: Method<typeof shape.split>;
    chunk: Method<typeof shape.chunk>;
    squeeze_: Method<typeof shape.squeeze_>;
    unsqueeze_: Method<typeof shape.unsqueeze_>;
    transpose_: Method<typeof shape.transpose_>;
    t_: Method<typeof shape.t_>;
    repeat: Method<typeof shape.repeat>;
    tile: Method<typeof shape.tile>;
    flip: Method<typeof shape.flip>;
    roll: Method<typeof shape.roll>;
    tril: Method<typeof shape.tril>;
    triu: Method<typeof shape.triu>;
    diag: Method<typeof shape.diag>;
    clone: Method<typeof copy.clone>;
    contiguous: Method<typeof copy.contiguous>;
    copy_: Method<typeof copy.copy_>;
    fill_: Method<typeof copy.fill_>;
    resize_: Method<typeof resize_>;
    zero_: Method<typeof copy.zero_>;
    newEmpty: Method<typeof create.newEmpty>;
    newFull: Method<typeof create.newFull>;
    newOnes: Method<typeof create.newOnes>;
    newTensor: Method<typeof create.newTensor>;
    newZeros: Method<typeof create.newZeros>;
    bernoulli: Method<typeof random.bernoulli>;
    bernoulli_: Method<typeof random.bernoulli_>;
    exponential_: Method<typeof random.exponential_>;
    normal_: Method<typeof random.normal_>;
    uniform_: Method<typeof random.uniform_>;
    gather: Method<typeof indexing.gather>;
    indexAdd: Method<typeof indexing.indexAdd>;
    indexAdd_: Method<typeof indexing.indexAdd_>;
    indexSelect: Method<typeof indexing.indexSelect>;
    maskedFill: Method<typeof indexing.maskedFill>;
    maskedFill_: Method<typeof indexing.maskedFill_>;
    maskedSelect: Method<typeof indexing.maskedSelect>;
    nonzero: Method<typeof indexing.nonzero>;
    repeatInterleave: Method<typeof indexing.repeatInterleave>;
    scatter: Method<typeof indexing.scatter>;
    scatter_: Method<typeof indexing.scatter_>;
    scatterAdd: Method<typeof indexing.scatterAdd>;
    scatterAdd_: Method<typeof indexing.scatterAdd_>;
    take: Method<typeof indexing.take>;
    index: Method<typeof subscript.index>;
    indexPut: Method<typeof subscript.indexPut>;
    indexPut_: Method<typeof subscript.indexPut_>;
    setIndex: Method<typeof subscript.setIndex>;
    all: Method<typeof reduce.all>;
    amax: Method<typeof reduce.amax>;
    amin: Method<typeof reduce.amin>;
    any: Method<typeof reduce.any>;
    argmax: Method<typeof reduce.argmax>;
    argmin: Method<typeof reduce.argmin>;
    countNonzero: Method<typeof reduce.countNonzero>;
    cumprod: Method<typeof reduce.cumprod>;
    cumsum: Method<typeof reduce.cumsum>;
    mean: Method<typeof reduce.mean>;
    prod: Method<typeof reduce.prod>;
    sum: Method<typeof reduce.sum>;
    dist: Method<typeof statistics.dist>;
    logsumexp: Method<typeof statistics.logsumexp>;
    norm: Method<typeof statistics.norm>;
    std: Method<typeof statistics.std>;
    var: Method<typeof statistics.var>;
    argsort: Method<typeof sort.argsort>;
    kthvalue: Method<typeof sort.kthvalue>;
    sort: Method<typeof sort.sort>;
    topk: Method<typeof sort.topk>;
    bool: Method<typeof conversions.bool>;
    byte: Method<typeof conversions.byte>;
    char: Method<typeof conversions.char>;
    double: Method<typeof conversions.double>;
    float: Method<typeof conversions.float>;
    half: Method<typeof conversions.half>;
    int: Method<typeof conversions.int>;
    long: Method<typeof conversions.long>;
    short: Method<typeof conversions.short>;
    to: Method<typeof conversions.to>;
    typeAs: Method<typeof conversions.typeAs>;
    max: ExtremeMethod;
    min: ExtremeMethod;
    median: MedianMethod;
    unique: UniqueMethod;
    backward: Method<typeof autograd.backward>;
    detach_: Method<typeof autograd.detach_>;
    registerHook: Method<typeof autograd.registerHook>;
    retainGrad: Method<typeof autograd.retainGrad>;
    /** The tensor with its dimensions in reverse order; a matrix transposed. */
    readonly T: Tensor;
    /** The tensor with its last two dimensions swapped. */
    readonly mT: Tensor;
    /** The entries of the first dimension. */
    [Symbol.iterator](): Iterator<Tensor>;
    /** The real values of a quantized tensor, in float32. */
    dequantize(): Tensor;
    intRepr: Method<typeof quantize.intRepr>;
    qscheme: Method<typeof quantize.qscheme>;
    qScale: Method<typeof quantize.qScale>;
    qZeroPoint: Method<typeof quantize.qZeroPoint>;
    qPerChannelScales: Method<typeof quantize.qPerChannelScales>;
    qPerChannelZeroPoints: Method<typeof quantize.qPerChannelZeroPoints>;
    qPerChannelAxis: Method<typeof quantize.qPerChannelAxis>;
    matmul: Method<typeof linear.matmul>;
    mm: Method<typeof linear.mm>;
    bmm: Method<typeof linear.bmm>;
    mv: Method<typeof linear.mv>;
    dot: Method<typeof linear.dot>;
    outer: Method<typeof linear.outer>;
    addmm: Method<typeof linear.addmm>;
    baddbmm: Method<typeof linear.baddbmm>;
    addmv: Method<typeof linear.addmv>;
    addr: Method<typeof linear.addr>;
  }
}

/** Operators that are not methods under their own name. */
const { where: _where, asDtype: _asDtype, ...elementwiseMethods } = elementwise;
const { cat: _cat, stack: _stack, ...shapeMethods } = shape;
const { clone, contiguous, copy_, fill_, zero_ } = copy;
const { newEmpty, newFull, newOnes, newTensor, newZeros } = create;
const { bernoulli, bernoulli_, exponential_, normal_, uniform_ } = random;

const {
  addedAt: _addedAt,
  bucketize: _bucketize,
  indexValues: _indexValues,
  oneHot: _oneHot,
  searchsorted: _searchsorted,
  takenAt: _takenAt,
  writtenAt: _writtenAt,
  ...indexingMethods
} = indexing;
const { linear: _linear, bilinear: _bilinear, ...linearMethods } = linear;
const { countOf: _countOf, ...reduceMethods } = reduce;
const { stdMean: _stdMean, varMean: _varMean, ...statisticsMethods } = statistics;
const { backward, detach_, registerHook, retainGrad } = autograd;

const { relu, relu_, prelu, hardshrink } = activation;
const { dequantize, intRepr, qscheme, qScale, qZeroPoint } = quantize;
const { qPerChannelScales, qPerChannelZeroPoints, qPerChannelAxis } = quantize;

/** Every method that is attached here, by name; `self` is the first argument. */
export const tensorMethods: Readonly<Record<string, unknown>> = {
  ...elementwiseMethods,
  relu,
  relu_,
  prelu,
  hardshrink,
  softmax,
  logSoftmax,
  ...linearMethods,
  ...shapeMethods,
  ...indexingMethods,
  ...subscript,
  ...reduceMethods,
  ...statisticsMethods,
  ...sort,
  ...conversions,
  backward,
  detach_,
  registerHook,
  retainGrad,
  clone,
  contiguous,
  copy_,
  fill_,
  zero_,
  resize_,
  unfold,
  dequantize,
  intRepr,
  qscheme,
  qScale,
  qZeroPoint,
  qPerChannelScales,
  qPerChannelZeroPoints,
  qPerChannelAxis,
  newEmpty,
  newFull,
  newOnes,
  newTensor,
  newZeros,
  bernoulli,
  bernoulli_,
  exponential_,
  normal_,
  uniform_,
};

for (const [name, operator] of Object.entries(tensorMethods) as [string, (...args: unknown[]) => unknown][]) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...args: unknown[]) {
      return operator(this, ...args);
    },
    configurable: true,
    writable: true,
  });
}

for (const [name, get] of [
  ["T", autograd.reversed],
  ["mT", autograd.matrixTransposed],
] as const) {
  Object.defineProperty(Tensor.prototype, name, {
    get(this: Tensor) {
      return get(this);
    },
    configurable: true,
  });
}

Object.defineProperty(Tensor.prototype, Symbol.iterator, {
  value(this: Tensor) {
    if (this.ndim === 0) throw new OctetError("iteration over a 0-d tensor");
    return shape.unbind(this)[Symbol.iterator]();
  },
  configurable: true,
  writable: true,
});
