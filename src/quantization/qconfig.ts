/**
 * QConfig: how to quantize a layer, as the constructors of two observers (or fake-quantize modules), one for what it gives
 * and one for its weight; and PyTorch's predefined ones (`torch.ao.quantization.qconfig`).
 */
import { float16, float32, qint8, quint8 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { warn } from "../core/warnings.ts";
import type { Module } from "../nn/module.ts";
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "../nn/modules/conv.ts";
import { Identity } from "../nn/modules/identity.ts";
import { FakeQuantize, FusedMovingAvgObsFakeQuantize } from "./fake-quantize.ts";
import {
  defaultDynamicFakeQuant,
  defaultEmbeddingFakeQuant,
  defaultEmbeddingFakeQuant4bit,
  defaultFakeQuant,
  defaultFusedActFakeQuant,
  defaultFusedPerChannelWtFakeQuant,
  defaultFusedWtFakeQuant,
  defaultPerChannelWeightFakeQuant,
  defaultWeightFakeQuant,
  fusedPerChannelWtFakeQuantRangeNeg127To127,
  fusedWtFakeQuantRangeNeg127To127,
} from "./fake-quantize-defaults.ts";
import {
  defaultDebugObserver,
  defaultDynamicQuantObserver,
  defaultFloatQparamsObserver,
  defaultFloatQparamsObserver4bit,
  defaultObserver,
  defaultPerChannelWeightObserver,
  defaultPlaceholderObserver,
  defaultReuseInputObserver,
  defaultWeightObserver,
  perChannelWeightObserverRangeNeg127To127,
  weightObserverRangeNeg127To127,
} from "./observers/defaults.ts";
import { HistogramObserver } from "./observers/histogram.ts";
import { MinMaxObserver, MovingAverageMinMaxObserver } from "./observers/min-max.ts";
import { NoopObserver, PlaceholderObserver, ReuseInputObserver } from "./observers/pass-through.ts";
import { PerChannelMinMaxObserver } from "./observers/per-channel.ts";
import type { Factory } from "./with-args.ts";
import { WithArgs, checkFactory, create, sameFactory } from "./with-args.ts";

/** What makes an observer or fake-quantize module: a class, or one with options fixed. */
export type ObserverFactory = Factory<Module>;

export interface QConfigFields {
  readonly activation: ObserverFactory;
  /** null for operators without weights. */
  readonly weight: ObserverFactory | null;
}

/** Constructors of the observers of a layer's output and weight. They are called once for each layer. */
export class QConfig implements QConfigFields {
  readonly activation: ObserverFactory;
  readonly weight: ObserverFactory | null;

  /** Two constructors, or both by name: `new QConfig({ activation, weight })`. Refuses observers that exist already. */
  constructor(activation: ObserverFactory, weight: ObserverFactory | null);
  constructor(fields: QConfigFields);
  constructor(first: ObserverFactory | QConfigFields, second: ObserverFactory | null = null) {
    const named = typeof first === "object" && !(first instanceof WithArgs);
    const { activation, weight } = named ? first : { activation: first, weight: second };
    checkFactory("QConfig", activation);
    checkFactory("QConfig", weight);
    this.activation = activation;
    this.weight = weight;
    Object.freeze(this);
  }

  toString(): string {
    return `QConfig(activation=${printFactory(this.activation)}, weight=${printFactory(this.weight)})`;
  }
}

/** A QConfig for dynamic quantization. Deprecated: use QConfig. */
export class QConfigDynamic extends QConfig {
  constructor(fields: Partial<QConfigFields> = {}) {
    warn("`QConfigDynamic` is deprecated, please use `QConfig` instead");
    super(fields.activation ?? Identity, fields.weight ?? Identity);
  }
}

/** null: do not quantize. */
export type QConfigAny = QConfig | null;

function printFactory(factory: ObserverFactory | null): string {
  if (factory === null) return "None";
  return factory instanceof WithArgs ? factory.toString() : factory.name;
}

// ---------------------------------------------------------------- predefined, after training

/** Activations within 0..127, weights symmetric. */
export const defaultQconfig = new QConfig(defaultObserver, defaultWeightObserver);
/** Records activations. */
export const defaultDebugQconfig = new QConfig(defaultDebugObserver, defaultWeightObserver);
export const defaultPerChannelQconfig = new QConfig(defaultObserver, defaultPerChannelWeightObserver);
export const defaultDynamicQconfig = new QConfig(defaultDynamicQuantObserver, defaultWeightObserver);
export const float16DynamicQconfig = new QConfig(
  PlaceholderObserver.withArgs({ dtype: float16, isDynamic: true }),
  PlaceholderObserver.withArgs({ dtype: float16 }),
);
export const float16StaticQconfig = new QConfig(
  PlaceholderObserver.withArgs({ dtype: float16 }),
  PlaceholderObserver.withArgs({ dtype: float16 }),
);
export const perChannelDynamicQconfig = new QConfig(defaultDynamicQuantObserver, defaultPerChannelWeightObserver);
/** For embeddings. */
export const floatQparamsWeightOnlyQconfig = new QConfig(defaultPlaceholderObserver, defaultFloatQparamsObserver);
export const floatQparamsWeightOnlyQconfig4bit = new QConfig(
  defaultPlaceholderObserver,
  defaultFloatQparamsObserver4bit,
);
/** For operators like reshape, whose output shares the observer of its input. */
export const defaultReuseInputQconfig = new QConfig(defaultReuseInputObserver, NoopObserver);
/** For PReLU, whose weight is an activation like any other. */
export const defaultQuint8WeightQconfig = new QConfig(HistogramObserver, MinMaxObserver);

const symmetricActivation = HistogramObserver.withArgs({ dtype: qint8, reduceRange: false, eps: 2 ** -12 });
/** Signed activations, symmetric weights without −128, for XNNPACK. */
export const defaultSymmetricQnnpackQconfig = new QConfig(symmetricActivation, weightObserverRangeNeg127To127);
export const defaultPerChannelSymmetricQnnpackQconfig = new QConfig(
  symmetricActivation,
  perChannelWeightObserverRangeNeg127To127,
);

// ---------------------------------------------------------------- predefined, for training

export const defaultQatQconfig = new QConfig(defaultFakeQuant, defaultWeightFakeQuant);
export const defaultDynamicQatQconfig = new QConfig(defaultDynamicFakeQuant, defaultWeightFakeQuant);
export const defaultWeightOnlyQconfig = new QConfig(Identity, defaultWeightFakeQuant);
export const defaultActivationOnlyQconfig = new QConfig(defaultFakeQuant, Identity);
/** Fused observation and fake quantization. */
export const defaultQatQconfigV2 = new QConfig(defaultFusedActFakeQuant, defaultFusedWtFakeQuant);
export const defaultEmbeddingQatQconfig = new QConfig(
  NoopObserver.withArgs({ dtype: float32 }),
  defaultEmbeddingFakeQuant,
);
export const defaultEmbeddingQatQconfig4bit = new QConfig(
  NoopObserver.withArgs({ dtype: float32 }),
  defaultEmbeddingFakeQuant4bit,
);

const symmetricFakeQuant = FusedMovingAvgObsFakeQuantize.withArgs({
  observer: MovingAverageMinMaxObserver,
  quantMin: -128,
  quantMax: 127,
  dtype: qint8,
  reduceRange: false,
  eps: 2 ** -12,
});
export const defaultSymmetricQnnpackQatQconfig = new QConfig(symmetricFakeQuant, fusedWtFakeQuantRangeNeg127To127);
export const defaultPerChannelSymmetricQnnpackQatQconfig = new QConfig(
  symmetricFakeQuant,
  fusedPerChannelWtFakeQuantRangeNeg127To127,
);

// ---------------------------------------------------------------- placeholders

export const _defaultFp32PlaceholderQconfig = new QConfig(
  PlaceholderObserver.withArgs({ dtype: float32 }),
  PlaceholderObserver.withArgs({ dtype: float32 }),
);
/** For operators without weights. */
export const _defaultQuint8PlaceholderQconfig = new QConfig(PlaceholderObserver.withArgs({ dtype: quint8 }), null);

// ---------------------------------------------------------------- by engine

/** The engines that have default qconfigs. */
export type QConfigBackend = "fbgemm" | "x86" | "qnnpack" | "onednn";

const backends: readonly string[] = ["fbgemm", "x86", "qnnpack", "onednn"];

function checkBackend(backend: string): void {
  if (backends.includes(backend)) return;
  const list = backends.map((name) => `'${name}'`).join(", ");
  throw new OctetError(`backend: ${backend} not supported. backend must be one of [${list}]`);
}

/**
 * The qconfig for quantization after training on an engine: a histogram for activations, symmetric weights per channel
 * (qnnpack: per tensor). Engines fbgemm and x86 use 7 bits for activations. (PyTorch warns about onednn on processors
 * whose arithmetic saturates; Octet's never does.)
 */
export function getDefaultQconfig(backend: QConfigBackend = "x86", version = 0): QConfig {
  checkBackend(backend);
  if (version !== 0) {
    throw new OctetError(
      `Version number: ${version} in get_default_qconfig is not supported. Version number must be 0`,
    );
  }
  const reduceRange = backend === "fbgemm" || backend === "x86";
  const weight = backend === "qnnpack" ? defaultWeightObserver : defaultPerChannelWeightObserver;
  return new QConfig(HistogramObserver.withArgs({ reduceRange }), weight);
}

/**
 * The qconfig for quantization-aware training on an engine: moving averages for activations, symmetric weights per channel
 * (qnnpack: per tensor). Version 0 observes and rounds in two steps, version 1 in one.
 */
export function getDefaultQatQconfig(backend: QConfigBackend = "x86", version = 1): QConfig {
  checkBackend(backend);
  if (version !== 0 && version !== 1) {
    throw new OctetError(
      `Version number: ${version}in get_default_qat_qconfig is not supported. Version number must be 0 or 1`,
    );
  }
  const range = { observer: MovingAverageMinMaxObserver, quantMin: 0, quantMax: 255 };
  const options = backend === "onednn" ? range : { ...range, reduceRange: backend !== "qnnpack" };
  if (version === 0) {
    const weight = backend === "qnnpack" ? defaultWeightFakeQuant : defaultPerChannelWeightFakeQuant;
    return new QConfig(FakeQuantize.withArgs(options), weight);
  }
  const weight = backend === "qnnpack" ? defaultFusedWtFakeQuant : defaultFusedPerChannelWtFakeQuant;
  return new QConfig(FusedMovingAvgObsFakeQuantize.withArgs(options), weight);
}

// ---------------------------------------------------------------- questions

/** True if both make the same observers. */
export function qconfigEquals(a: QConfigAny, b: QConfigAny): boolean {
  if (a === null || b === null) return a === b;
  return sameFactory(a.activation, b.activation) && sameFactory(a.weight, b.weight);
}

/** Refuses per-channel weights on transposed convolutions, as PyTorch does. */
export function _assertValidQconfig(qconfig: QConfigAny | undefined, module: Module): void {
  if (!qconfig?.weight) return;
  const transposed = [ConvTranspose1d, ConvTranspose2d, ConvTranspose3d].some((Class) => module instanceof Class);
  if (transposed && create(qconfig.weight) instanceof PerChannelMinMaxObserver) {
    throw new OctetError("Per channel weight observer is not supported yet for ConvTranspose{n}d.");
  }
}

/** True if activations are observed by a moving average without memory: its qparams are those of the very batch. */
export function _activationIsMemoryless(qconfig: QConfig): boolean {
  const made = create(qconfig.activation);
  const observer = made instanceof FakeQuantize ? made.activation_post_process : made;
  return (observer as { averagingConstant?: number }).averagingConstant === 1;
}

/** True if the operator's output shares the observer of its input. */
export function _isReuseInputQconfig(qconfig: QConfigAny | undefined): boolean {
  if (!qconfig?.weight) return false;
  return create(qconfig.activation) instanceof ReuseInputObserver && create(qconfig.weight) instanceof NoopObserver;
}
