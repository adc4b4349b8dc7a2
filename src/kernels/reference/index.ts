/** The reference kernel set: plain TypeScript over typed arrays, the living definition of every kernel. */
import type { Kernels } from "../kernels.ts";
import { conv, convGradInput, convGradWeight } from "./conv.ts";
import { axpy, binary, unary } from "./elementwise.ts";
import { gemm } from "./gemm.ts";
import { addIntegers, convInt8, linearInt8, lookup, mulIntegers } from "./int8.ts";
import { channelAffine, channelCombine, channelGradSums, channelMoments } from "./norm.ts";
import { avgPool, avgPoolGrad, maxPool, maxPoolGrad } from "./pool.ts";
import { histogram, minMax } from "./observe.ts";
import { dequantize, fakeQuantize, quantize } from "./quantize.ts";
import { reduce, reduceIndex } from "./reduce.ts";
import { softmax, softmaxGrad } from "./softmax.ts";

export const referenceKernels: Kernels = Object.freeze({
  name: "reference",
  gemm,
  conv,
  convGradInput,
  convGradWeight,
  unary,
  binary,
  axpy,
  reduce,
  reduceIndex,
  softmax,
  softmaxGrad,
  channelMoments,
  channelAffine,
  channelGradSums,
  channelCombine,
  maxPool,
  maxPoolGrad,
  avgPool,
  avgPoolGrad,
  quantize,
  dequantize,
  fakeQuantize,
  minMax,
  histogram,
  linearInt8,
  convInt8,
  lookup,
  addIntegers,
  mulIntegers,
});
