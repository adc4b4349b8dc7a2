/** The observers that PyTorch's default qconfigs are made of: classes, or classes with some options fixed. */
import { qint8, quint4x2, quint8 } from "../../core/dtype.ts";
import { perChannelAffineFloatQparams, perChannelSymmetric, perTensorSymmetric } from "../../core/qparams.ts";
import { HistogramObserver } from "./histogram.ts";
import { MinMaxObserver } from "./min-max.ts";
import { FixedQParamsObserver, PlaceholderObserver, RecordingObserver, ReuseInputObserver } from "./pass-through.ts";
import { PerChannelMinMaxObserver } from "./per-channel.ts";

/** Activations within 0..127, mostly for debugging. */
export const defaultObserver = MinMaxObserver.withArgs({ quantMin: 0, quantMax: 127 });

/** For float16. */
export const defaultPlaceholderObserver = PlaceholderObserver;

export const defaultDebugObserver = RecordingObserver;

export const defaultWeightObserver = MinMaxObserver.withArgs({ dtype: qint8, qscheme: perTensorSymmetric });

/** Symmetric weights without −128; the scale is at least 2^-12, as XNNPACK's requantization needs. */
export const weightObserverRangeNeg127To127 = MinMaxObserver.withArgs({
  dtype: qint8,
  qscheme: perTensorSymmetric,
  quantMin: -127,
  quantMax: 127,
  eps: 2 ** -12,
});

export const defaultHistogramObserver = HistogramObserver.withArgs({ quantMin: 0, quantMax: 127 });

export const defaultPerChannelWeightObserver = PerChannelMinMaxObserver.withArgs({
  dtype: qint8,
  qscheme: perChannelSymmetric,
});

/** As {@link weightObserverRangeNeg127To127}, per channel. */
export const perChannelWeightObserverRangeNeg127To127 = PerChannelMinMaxObserver.withArgs({
  dtype: qint8,
  qscheme: perChannelSymmetric,
  quantMin: -127,
  quantMax: 127,
  eps: 2 ** -12,
});

export const defaultDynamicQuantObserver = PlaceholderObserver.withArgs({
  dtype: quint8,
  quantMin: 0,
  quantMax: 255,
  isDynamic: true,
});

/** For embeddings. */
export const defaultFloatQparamsObserver = PerChannelMinMaxObserver.withArgs({
  dtype: quint8,
  qscheme: perChannelAffineFloatQparams,
  chAxis: 0,
});

export const defaultFloatQparamsObserver4bit = PerChannelMinMaxObserver.withArgs({
  dtype: quint4x2,
  qscheme: perChannelAffineFloatQparams,
  chAxis: 0,
});

/** For tanh. */
export const defaultFixedQparamsRangeNeg1to1Observer = FixedQParamsObserver.withArgs({
  scale: 2 / 256,
  zeroPoint: 128,
  dtype: quint8,
  quantMin: 0,
  quantMax: 255,
});

/** For sigmoid, hardsigmoid and softmax. */
export const defaultFixedQparamsRange0to1Observer = FixedQParamsObserver.withArgs({
  scale: 1 / 256,
  zeroPoint: 0,
  dtype: quint8,
  quantMin: 0,
  quantMax: 255,
});

/** Older names of the two before. */
export const defaultSymmetricFixedQparamsObserver = defaultFixedQparamsRangeNeg1to1Observer;
export const defaultAffineFixedQparamsObserver = defaultFixedQparamsRange0to1Observer;

/** For operators like reshape, whose output shares the observer of its input. */
export const defaultReuseInputObserver = ReuseInputObserver;
