/** The fake-quantize modules that PyTorch's default qconfigs are made of, with their options fixed. */
import { qint8, quint4x2, quint8 } from "../core/dtype.ts";
import {
  perChannelAffineFloatQparams,
  perChannelSymmetric,
  perTensorAffine,
  perTensorSymmetric,
} from "../core/qparams.ts";
import { FakeQuantize, FixedQParamsFakeQuantize, FusedMovingAvgObsFakeQuantize } from "./fake-quantize.ts";
import { defaultFixedQparamsRange0to1Observer, defaultFixedQparamsRangeNeg1to1Observer } from "./observers/defaults.ts";
import { HistogramObserver } from "./observers/histogram.ts";
import { MovingAverageMinMaxObserver } from "./observers/min-max.ts";
import { MovingAveragePerChannelMinMaxObserver } from "./observers/per-channel.ts";

/** Activations; `reduceRange` makes it 0..127. */
export const defaultFakeQuant = FakeQuantize.withArgs({
  observer: MovingAverageMinMaxObserver,
  quantMin: 0,
  quantMax: 255,
  dtype: quint8,
  qscheme: perTensorAffine,
  reduceRange: true,
});

/** Weights. The range follows a changing weight slowly: the averaging constant is 0.01. */
export const defaultWeightFakeQuant = FakeQuantize.withArgs({
  observer: MovingAverageMinMaxObserver,
  quantMin: -128,
  quantMax: 127,
  dtype: qint8,
  qscheme: perTensorSymmetric,
  reduceRange: false,
});

/** Activations of dynamically quantized operators: no memory. */
export const defaultDynamicFakeQuant = FakeQuantize.withArgs({
  observer: MovingAverageMinMaxObserver,
  quantMin: 0,
  quantMax: 255,
  isDynamic: true,
  dtype: quint8,
  averagingConstant: 1,
});

/** For tanh. */
export const defaultFixedQparamsRangeNeg1to1FakeQuant = FixedQParamsFakeQuantize.withArgs({
  observer: defaultFixedQparamsRangeNeg1to1Observer,
});

/** For sigmoid, hardsigmoid and softmax. */
export const defaultFixedQparamsRange0to1FakeQuant = FixedQParamsFakeQuantize.withArgs({
  observer: defaultFixedQparamsRange0to1Observer,
});

/** Older names of the two before. */
export const defaultSymmetricFixedQparamsFakeQuant = defaultFixedQparamsRangeNeg1to1FakeQuant;
export const defaultAffineFixedQparamsFakeQuant = defaultFixedQparamsRange0to1FakeQuant;

export const defaultPerChannelWeightFakeQuant = FakeQuantize.withArgs({
  observer: MovingAveragePerChannelMinMaxObserver,
  quantMin: -128,
  quantMax: 127,
  dtype: qint8,
  qscheme: perChannelSymmetric,
  reduceRange: false,
  chAxis: 0,
});

export const defaultEmbeddingFakeQuant = FakeQuantize.withArgs({
  observer: MovingAveragePerChannelMinMaxObserver,
  qscheme: perChannelAffineFloatQparams,
  dtype: quint8,
  quantMin: 0,
  quantMax: 255,
  chAxis: 0,
  averagingConstant: 1,
});

export const defaultEmbeddingFakeQuant4bit = FakeQuantize.withArgs({
  observer: MovingAveragePerChannelMinMaxObserver,
  qscheme: perChannelAffineFloatQparams,
  chAxis: 0,
  dtype: quint4x2,
  averagingConstant: 1,
});

export const defaultHistogramFakeQuant = FakeQuantize.withArgs({
  observer: HistogramObserver,
  quantMin: 0,
  quantMax: 255,
  dtype: quint8,
  qscheme: perTensorAffine,
  reduceRange: true,
});

/** Activations, fused; unlike {@link defaultFakeQuant} over 0..255. */
export const defaultFusedActFakeQuant = FusedMovingAvgObsFakeQuantize.withArgs({
  observer: MovingAverageMinMaxObserver,
  quantMin: 0,
  quantMax: 255,
  dtype: quint8,
});

export const defaultFusedWtFakeQuant = FusedMovingAvgObsFakeQuantize.withArgs({
  observer: MovingAverageMinMaxObserver,
  quantMin: -128,
  quantMax: 127,
  dtype: qint8,
  qscheme: perTensorSymmetric,
});

export const defaultFusedPerChannelWtFakeQuant = FusedMovingAvgObsFakeQuantize.withArgs({
  observer: MovingAveragePerChannelMinMaxObserver,
  quantMin: -128,
  quantMax: 127,
  dtype: qint8,
  qscheme: perChannelSymmetric,
});

/** Symmetric weights without −128. */
export const fusedWtFakeQuantRangeNeg127To127 = FusedMovingAvgObsFakeQuantize.withArgs({
  observer: MovingAverageMinMaxObserver,
  quantMin: -127,
  quantMax: 127,
  dtype: qint8,
  qscheme: perTensorSymmetric,
  eps: 2 ** -12,
});

export const fusedPerChannelWtFakeQuantRangeNeg127To127 = FusedMovingAvgObsFakeQuantize.withArgs({
  observer: MovingAveragePerChannelMinMaxObserver,
  quantMin: -127,
  quantMax: 127,
  dtype: qint8,
  qscheme: perChannelSymmetric,
  eps: 2 ** -12,
});
