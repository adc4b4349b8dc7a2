/** Reference embeddings (`torch.ao.nn.quantized.reference`): float look-ups in a table rounded to its grid. */
import type { Module } from "../../../nn/module.ts";
import type { EmbeddingBagModuleOptions, TableOptions } from "../../../nn/modules/sparse.ts";
import { Embedding as FloatEmbedding, EmbeddingBag as FloatEmbeddingBag } from "../../../nn/modules/sparse.ts";
import type { Parameter } from "../../../nn/parameter.ts";
import { embedding, embeddingBag } from "../../../ops/embedding.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { WeightQparams } from "../recipe.ts";
import { ReferenceWeight } from "../reference-weight.ts";

interface WithWeightQparams {
  readonly weightQparams?: WeightQparams;
}

const REFERENCE_NAME = "QuantizedEmbedding(Reference)";

export class Embedding extends FloatEmbedding {
  static readonly isReference = true;
  readonly referenceWeight: ReferenceWeight;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    options: TableOptions & WithWeightQparams = {},
    table: Parameter | null = null,
  ) {
    super(numEmbeddings, embeddingDim, options, table);
    this.referenceWeight = new ReferenceWeight(this, options.weightQparams);
  }

  override forward(input: Tensor): Tensor {
    return embedding(input, this.getWeight(), this.tableOptions());
  }

  /** The table quantized and dequantized. */
  getWeight(): Tensor {
    return this.referenceWeight.dequantized(this.weight);
  }

  getQuantizedWeight(): Tensor {
    return this.referenceWeight.quantized(this.weight);
  }

  static fromFloat(module: Module, weightQparams: WeightQparams): Embedding {
    const source = module as FloatEmbedding;
    const { paddingIdx, maxNorm, normType, scaleGradByFreq } = source;
    const options = { paddingIdx, maxNorm, normType, scaleGradByFreq, weightQparams };
    return new Embedding(source.numEmbeddings, source.embeddingDim, options, source.weight);
  }

  override getName(): string {
    return REFERENCE_NAME;
  }
}

/** Prints as `QuantizedEmbedding(Reference)`, as PyTorch's does. */
export class EmbeddingBag extends FloatEmbeddingBag {
  static readonly isReference = true;
  readonly referenceWeight: ReferenceWeight;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    options: EmbeddingBagModuleOptions & WithWeightQparams = {},
    table: Parameter | null = null,
  ) {
    super(numEmbeddings, embeddingDim, options, table);
    this.referenceWeight = new ReferenceWeight(this, options.weightQparams);
  }

  override forward(input: Tensor, offsets: Tensor | null = null, perSampleWeights: Tensor | null = null): Tensor {
    const { mode, includeLastOffset } = this;
    return embeddingBag(input, this.getWeight(), offsets, {
      ...this.tableOptions(),
      mode,
      includeLastOffset,
      perSampleWeights,
    });
  }

  /** The table quantized and dequantized. */
  getWeight(): Tensor {
    return this.referenceWeight.dequantized(this.weight);
  }

  getQuantizedWeight(): Tensor {
    return this.referenceWeight.quantized(this.weight);
  }

  static fromFloat(module: Module, weightQparams: WeightQparams): EmbeddingBag {
    const source = module as FloatEmbeddingBag;
    const { paddingIdx, maxNorm, normType, scaleGradByFreq, mode, includeLastOffset } = source;
    const options = { paddingIdx, maxNorm, normType, scaleGradByFreq, mode, includeLastOffset, weightQparams };
    return new EmbeddingBag(source.numEmbeddings, source.embeddingDim, options, source.weight);
  }

  override getName(): string {
    return REFERENCE_NAME;
  }
}
