/** All operators, as PyTorch's top-level functions. Importing this file attaches the Tensor methods. */
import "./methods.ts";

export * from "./elementwise.ts";
export { clone, contiguous, copy_, fill_, zero_ } from "./copy.ts";
export * from "./shape.ts";
export {
  arange,
  empty,
  emptyLike,
  eye,
  fromArray,
  full,
  fullLike,
  linspace,
  logspace,
  ones,
  onesLike,
  tensor,
  zeros,
  zerosLike,
} from "./create.ts";
export type { CreateOptions, SizeArguments, TensorData } from "./create.ts";
export { bernoulli, rand, randint, randLike, randn, randnLike, randperm } from "./random.ts";
export type { RandomOptions } from "./random.ts";
export {
  bucketize,
  gather,
  indexAdd,
  indexAdd_,
  indexSelect,
  maskedFill,
  maskedFill_,
  maskedSelect,
  nonzero,
  oneHot,
  repeatInterleave,
  scatter,
  scatter_,
  scatterAdd,
  scatterAdd_,
  searchsorted,
  take,
} from "./indexing.ts";
export type { SearchOptions } from "./indexing.ts";
export * from "./subscript.ts";
export * from "./linear.ts";
export * from "./conv.ts";
export * from "./pad.ts";
export * from "./norm.ts";
export { avgPool1d, avgPool2d, avgPool3d, maxPool1d, maxPool2d, maxPool3d } from "./pool.ts";
export type { AvgPoolOptions, MaxPoolOptions } from "./pool.ts";
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
} from "./adaptive-pool.ts";
export type { AdaptiveMaxPoolOptions, AdaptiveSize } from "./adaptive-pool.ts";
export * from "./upsample.ts";
export type { SpatialSize } from "./spatial.ts";
export {
  all,
  amax,
  amin,
  any,
  argmax,
  argmin,
  countNonzero,
  cumprod,
  cumsum,
  max,
  mean,
  min,
  prod,
  sum,
} from "./reduce.ts";
export type { SumOptions, ValuesAndIndices } from "./reduce.ts";
export type { Dims, ReduceOptions } from "./reduction.ts";
export { dist, logsumexp, norm, std, stdMean, var, varMean } from "./statistics.ts";
export type { VarianceOptions } from "./statistics.ts";
export { argsort, kthvalue, median, sort, topk, unique } from "./sort.ts";
export type { SortOptions, TopkOptions, UniqueOptions } from "./sort.ts";
export { celu, celu_, hardshrink, prelu, relu, relu_, selu, selu_, threshold, threshold_ } from "./activation.ts";
export { logSoftmax, softmax } from "./softmax.ts";
export { alphaDropout, dropout, featureAlphaDropout } from "./dropout.ts";
export { gru, gruCell, lstm, lstmCell, rnnRelu, rnnReluCell, rnnTanh, rnnTanhCell } from "./rnn.ts";
export type { RnnOptions } from "./rnn.ts";
export {
  _chooseQparamsPerTensor,
  _emptyAffineQuantized,
  _emptyPerChannelAffineQuantized,
  _makePerChannelQuantizedTensor,
  _makePerTensorQuantizedTensor,
  dequantize,
  intRepr,
  qPerChannelAxis,
  qPerChannelScales,
  qPerChannelZeroPoints,
  qScale,
  qZeroPoint,
  quantizePerChannel,
  quantizePerTensor,
  quantizePerTensorDynamic,
} from "./quantize.ts";
export type { AffineOptions, PerChannelOptions, Qparam } from "./quantize.ts";
export { fakeQuantizePerChannelAffine, fakeQuantizePerTensorAffine } from "./fake-quantize.ts";
export { fusedMovingAvgObsFakeQuant } from "./fused-fake-quantize.ts";
export {
  _fakeQuantizeLearnablePerChannelAffine,
  _fakeQuantizeLearnablePerTensorAffine,
} from "./learnable-fake-quantize.ts";
export { chooseQparamsOptimized } from "./quantized/embedding.ts";
export { _saturateWeightToFp16 } from "./quantized/linear-fp16.ts";
export { quantizedBatchNorm } from "./quantized/norm.ts";
export { quantizedGru, quantizedLstm } from "./quantized/rnn.ts";
