/** Embeddings for quantization-aware training (`torch.ao.nn.qat.Embedding`, `EmbeddingBag`): the table is fake-quantized. */
import { OctetError } from "../../../core/errors.ts";
import type { QScheme } from "../../../core/qparams.ts";
import { perChannelAffineFloatQparams } from "../../../core/qparams.ts";
import type { Module } from "../../../nn/module.ts";
import type { EmbeddingBagModuleOptions, TableOptions } from "../../../nn/modules/sparse.ts";
import { Embedding as FloatEmbedding, EmbeddingBag as FloatEmbeddingBag } from "../../../nn/modules/sparse.ts";
import type { Parameter } from "../../../nn/parameter.ts";
import { embedding, embeddingBag } from "../../../ops/embedding.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { QConfig } from "../../qconfig.ts";
import { create } from "../../with-args.ts";
import type { Factory } from "../../with-args.ts";

interface WithQconfig {
  /** Its weight must have float qparams. */
  readonly qconfig: QConfig;
}

/** The fake quantization of a table, refused unless its qparams are floats per row. */
function tableFakeQuant(name: string, qconfig: QConfig | null | undefined): Module {
  if (!qconfig) throw new OctetError("qconfig must be provided for QAT module");
  const made = create(qconfig.weight as Factory<Module>);
  const { qscheme } = made as { qscheme?: QScheme };
  if (qscheme !== perChannelAffineFloatQparams) {
    throw new OctetError(
      `${name} weights requires a qscheme of torch.per_channel_affine_float_qparams Got ${String(qscheme)}`,
    );
  }
  return made;
}

/** The options with which an equal float table is made. */
function optionsOf({ paddingIdx, maxNorm, normType, scaleGradByFreq }: FloatEmbedding | FloatEmbeddingBag) {
  return { paddingIdx, maxNorm, normType, scaleGradByFreq };
}

function requireQconfig(module: Module): QConfig {
  if (!module.qconfig) throw new OctetError("Input float module must have a valid qconfig");
  return module.qconfig;
}

/** Rows of fakeQuantize(weight). */
export class Embedding extends FloatEmbedding {
  weight_fake_quant: Module;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    options: TableOptions & WithQconfig,
    table: Parameter | null = null,
  ) {
    super(numEmbeddings, embeddingDim, options, table);
    this.weight_fake_quant = tableFakeQuant("Embedding", options.qconfig);
    this.qconfig = options.qconfig;
  }

  override forward(input: Tensor): Tensor {
    return embedding(input, this.weight_fake_quant(this.weight) as Tensor, this.tableOptions());
  }

  /** Shares the float module's table. */
  static fromFloat(module: Module): Embedding {
    const source = module as FloatEmbedding;
    const options = { ...optionsOf(source), qconfig: requireQconfig(module) };
    return new Embedding(source.numEmbeddings, source.embeddingDim, options, source.weight).train(source.training);
  }

  /** The plain float module, with the trained table. */
  toFloat(): FloatEmbedding {
    const made = new FloatEmbedding(this.numEmbeddings, this.embeddingDim, optionsOf(this), this.weight);
    return made.train(this.training);
  }
}

/** Bags of rows of fakeQuantize(weight). */
export class EmbeddingBag extends FloatEmbeddingBag {
  weight_fake_quant: Module;

  constructor(
    numEmbeddings: number,
    embeddingDim: number,
    options: EmbeddingBagModuleOptions & WithQconfig,
    table: Parameter | null = null,
  ) {
    super(numEmbeddings, embeddingDim, options, table);
    this.weight_fake_quant = tableFakeQuant("Embedding Bag", options.qconfig);
    this.qconfig = options.qconfig;
  }

  override forward(input: Tensor, offsets: Tensor | null = null, perSampleWeights: Tensor | null = null): Tensor {
    const { mode, includeLastOffset } = this;
    return embeddingBag(input, this.weight_fake_quant(this.weight) as Tensor, offsets, {
      ...this.tableOptions(),
      mode,
      includeLastOffset,
      perSampleWeights,
    });
  }

  /** Shares the float module's table. */
  static fromFloat(module: Module): EmbeddingBag {
    const source = module as FloatEmbeddingBag;
    const options = { ...bagOptionsOf(source), qconfig: requireQconfig(module) };
    return new EmbeddingBag(source.numEmbeddings, source.embeddingDim, options, source.weight).train(source.training);
  }

  /** The plain float module, with the trained table. */
  toFloat(): FloatEmbeddingBag {
    const made = new FloatEmbeddingBag(this.numEmbeddings, this.embeddingDim, bagOptionsOf(this), this.weight);
    return made.train(this.training);
  }
}

function bagOptionsOf(source: FloatEmbeddingBag) {
  const { mode, includeLastOffset } = source;
  return { ...optionsOf(source), mode, includeLastOffset };
}
