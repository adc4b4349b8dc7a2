/** Quantized embeddings (`torch.ao.nn.quantized.Embedding`, `EmbeddingBag`): rows of 8 or 4 bits, results in float32. */
import type { DType } from "../../../core/dtype.ts";
import { float32, quint4x2, quint8 } from "../../../core/dtype.ts";
import { OctetError, check, formatShape } from "../../../core/errors.ts";
import { perChannelAffineFloatQparams } from "../../../core/qparams.ts";
import { noGrad } from "../../../autograd/grad-mode.ts";
import { Module } from "../../../nn/module.ts";
import type { Embedding as FloatEmbedding, EmbeddingBag as FloatEmbeddingBag } from "../../../nn/modules/sparse.ts";
import type { BagMode } from "../../../ops/embedding.ts";
import { bagGeometry } from "../../../ops/embedding-bags.ts";
import { div } from "../../../ops/elementwise.ts";
import { embedding4bit, embeddingBag4bit, embeddingBagByte, embeddingByte } from "../../../ops/quantized/embedding.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { floatQparamsWeightOnlyQconfig } from "../../qconfig.ts";
import { create } from "../../with-args.ts";
import type { Factory } from "../../with-args.ts";
import type { WeightObserver } from "../weight.ts";
import { quantizeWeight } from "../weight.ts";
import { EmbeddingPackedParams } from "./packed-params.ts";
import type { Embedding as ReferenceEmbedding, EmbeddingBag as ReferenceEmbeddingBag } from "./reference.ts";

export interface QuantizedEmbeddingOptions {
  /** quint8 (the default) or quint4x2; what `weight` has, where one is given. */
  readonly dtype?: DType;
}

/** What both modules share: the packed table, setting it and printing it. */
abstract class PackedEmbedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  _packed_params: EmbeddingPackedParams;

  constructor(numEmbeddings: number, embeddingDim: number, options: QuantizedEmbeddingOptions, weight: Tensor | null) {
    super();
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this._packed_params = new EmbeddingPackedParams(numEmbeddings, embeddingDim, options.dtype);
    if (weight) this.setWeight(weight);
  }

  /** quint8 or quint4x2: the packed table's. */
  get dtype(): DType {
    return this._packed_params.dtype;
  }

  /** The quantized table [numEmbeddings, embeddingDim]. */
  weight(): Tensor {
    return this._packed_params.weight();
  }

  /** Takes a quint8 or quint4x2 table quantized per row with float qparams. */
  setWeight(weight: Tensor): void {
    const { numEmbeddings, embeddingDim } = this;
    check(
      weight.ndim === 2 && weight.shape[0] === numEmbeddings && weight.shape[1] === embeddingDim,
      () =>
        `${this.getName()}: weight must have shape ${formatShape([numEmbeddings, embeddingDim])}, ` +
        `got ${formatShape(weight.shape)}`,
    );
    this._packed_params.setWeight(weight);
  }

  override stateVersion(): number {
    return 1;
  }

  override extraRepr(): string {
    const { numEmbeddings, embeddingDim, dtype } = this;
    const qscheme = String(this.weight().quantizer?.qscheme);
    return `num_embeddings=${numEmbeddings}, embedding_dim=${embeddingDim}, dtype=${String(dtype)}, qscheme=${qscheme}`;
  }

  /** One line: the packed table is not shown. */
  override toString(): string {
    return `${this.getName()}(${this.extraRepr()})`;
  }
}

/** The table of a float or QAT module as integers, by the module's own weight observer. */
function quantizedTable(name: string, module: FloatEmbedding | FloatEmbeddingBag): Tensor {
  const observer = tableObserver(module);
  const { dtype, qscheme } = observer;
  if (qscheme !== perChannelAffineFloatQparams) {
    throw new OctetError(
      `${name} quantization is only supported with float_qparams_weight_only_qconfig, ` +
        `got a weight observer with qscheme ${String(qscheme)}.`,
    );
  }
  if (dtype !== quint8 && dtype !== quint4x2) {
    throw new OctetError(
      `The only supported dtype for nnq.${name} is torch.quint8 and torch.quint4x2, got ${String(dtype)}`,
    );
  }
  noGrad(() => observer(module.weight));
  return quantizeWeight(module.weight, observer);
}

function tableObserver(module: Module): WeightObserver {
  const trained = (module as { weight_fake_quant?: WeightObserver }).weight_fake_quant;
  if (trained) return trained;
  if (module.qconfig === undefined) {
    throw new OctetError(`${module.getName()} input float module must have qconfig defined`);
  }
  const factory = module.qconfig?.weight ?? floatQparamsWeightOnlyQconfig.weight;
  return create(factory as Factory<Module>) as WeightObserver;
}

/**
 * Rows of a quantized table by integer indices [n] or [n, m], as float32 [*, embeddingDim]. Options of the float module that
 * change looked-up rows (`maxNorm`) have no effect, as in PyTorch.
 *
 * In PyTorch, `from_float` forgets that a table has 4 bits, and the module's look-ups then fail; here they work.
 */
export class Embedding extends PackedEmbedding {
  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    options: QuantizedEmbeddingOptions = {},
    weight: Tensor | null = null,
  ) {
    super(numEmbeddings, embeddingDim, options, weight);
  }

  override forward(indices: Tensor): Tensor {
    const lookUp = this.dtype === quint4x2 ? embedding4bit : embeddingByte;
    return lookUp(this._packed_params.packed, indices);
  }

  /** From a float Embedding with a qconfig of float-qparams weights, or one trained with fake quantization. */
  static fromFloat(module: Module): Embedding {
    const source = module as FloatEmbedding;
    return new Embedding(source.numEmbeddings, source.embeddingDim, {}, quantizedTable("Embedding", source));
  }

  static fromReference(reference: ReferenceEmbedding): Embedding {
    return new Embedding(reference.numEmbeddings, reference.embeddingDim, {}, reference.getQuantizedWeight());
  }

  override getName(): string {
    return "QuantizedEmbedding";
  }
}

export interface QuantizedBagOptions extends QuantizedEmbeddingOptions {
  /** How a bag becomes one row: "sum" (the default) or "mean". */
  readonly mode?: BagMode;
  /** Offsets passed to `forward` hold the end of the last bag too. */
  readonly includeLastOffset?: boolean;
}

/**
 * Bags of rows of a quantized table as float32 [bags, embeddingDim]: 2-d indices [bags, n], or 1-d ones with the offset at
 * which each bag starts.
 *
 * PyTorch's module computes sums whatever its mode. Here the mode counts: "mean" divides the sums by the sizes of the bags,
 * "max" is refused, and so is a float module with a padding row, which PyTorch would count.
 */
export class EmbeddingBag extends PackedEmbedding {
  readonly mode: BagMode;
  readonly includeLastOffset: boolean;
  /** The table lacks rows, which the index mapping given to `forward` accounts for. */
  prunedWeights = false;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    options: QuantizedBagOptions = {},
    weight: Tensor | null = null,
  ) {
    super(numEmbeddings, embeddingDim, options, weight);
    this.mode = options.mode ?? "sum";
    this.includeLastOffset = options.includeLastOffset ?? false;
    if (this.mode === "max") {
      throw new OctetError('QuantizedEmbeddingBag: mode "max" is not supported, only "sum" and "mean"');
    }
  }

  /** @param perSampleWeights float32, one factor for each index; with mode "sum" only. */
  override forward(
    indices: Tensor,
    offsets: Tensor | null = null,
    perSampleWeights: Tensor | null = null,
    compressedIndicesMapping: Tensor | null = null,
  ): Tensor {
    const { mode, includeLastOffset, prunedWeights } = this;
    if (mode === "mean" && perSampleWeights) {
      throw new OctetError('QuantizedEmbeddingBag: perSampleWeights need mode "sum", got "mean"');
    }
    const lookUp = this.dtype === quint4x2 ? embeddingBag4bit : embeddingBagByte;
    const sums = lookUp(this._packed_params.packed, indices, offsets, {
      perSampleWeights,
      includeLastOffset,
      compressedIndicesMapping: prunedWeights ? compressedIndicesMapping : null,
    });
    return mode === "mean" ? div(sums, bagSizes(indices, offsets, includeLastOffset)) : sums;
  }

  /** From a float EmbeddingBag with a qconfig of float-qparams weights, or one trained with fake quantization. */
  static fromFloat(module: Module): EmbeddingBag {
    const source = module as FloatEmbeddingBag;
    return bagLike(source, quantizedTable("EmbeddingBag", source));
  }

  static fromReference(reference: ReferenceEmbeddingBag): EmbeddingBag {
    return bagLike(reference, reference.getQuantizedWeight());
  }

  override getName(): string {
    return "QuantizedEmbeddingBag";
  }
}

function bagLike(source: FloatEmbeddingBag, weight: Tensor): EmbeddingBag {
  const { numEmbeddings, embeddingDim, mode, includeLastOffset, paddingIdx } = source;
  if (paddingIdx !== null) {
    throw new OctetError(`QuantizedEmbeddingBag: paddingIdx is not supported, got ${paddingIdx}; its row would count`);
  }
  return new EmbeddingBag(numEmbeddings, embeddingDim, { mode, includeLastOffset }, weight);
}

/** How many indices each bag has, at least 1: [bags, 1]. */
function bagSizes(indices: Tensor, offsets: Tensor | null, includeLastOffset: boolean): Tensor {
  const bags = bagGeometry(indices.shape, indices.elements(), offsets && offsets.elements(), {
    includeLastOffset,
    paddingIdx: -1,
  });
  const sizes = Float32Array.from({ length: bags.count }, (_, b) => Math.max(bags.starts[b + 1] - bags.starts[b], 1));
  return Tensor.fromArray(sizes, [bags.count, 1], float32);
}
