/** The packed table of a quantized embedding, as the submodule `_packed_params` that PyTorch's state dicts show. */
import type { DType } from "../../../core/dtype.ts";
import { float32, quint4x2, quint8 } from "../../../core/dtype.ts";
import { OctetError } from "../../../core/errors.ts";
import { sameShape } from "../../../core/shape.ts";
import { Module } from "../../../nn/module.ts";
import type { LoadContext, StateDict } from "../../../nn/state-dict.ts";
import { sizeMismatch } from "../../../nn/state-dict.ts";
import { full } from "../../../ops/create.ts";
import { _emptyPerChannelAffineQuantized } from "../../../ops/quantize.ts";
import type { EmbeddingPackedParams as PackedTable } from "../../../ops/quantized/embedding.ts";
import { embeddingBagPrepack, embeddingBagUnpack } from "../../../ops/quantized/embedding.ts";
import type { Tensor } from "../../../tensor/tensor.ts";

/**
 * A table of 8- or 4-bit rows (`torch.ao.nn.quantized.modules.embedding_ops.EmbeddingPackedParams`). PyTorch saves its
 * dtype beside the weight; here the weight's own dtype says it, so that the two cannot disagree.
 */
export class EmbeddingPackedParams extends Module {
  packed: PackedTable;

  /** A table of zeros; `dtype` is quint8 (the default) or quint4x2. */
  constructor(numEmbeddings: number, embeddingDim: number, dtype: DType = quint8) {
    super();
    if (dtype !== quint8 && dtype !== quint4x2) {
      throw new OctetError(
        `Unsupported dtype on quantized embedding! Supports quint8 and quint4x2. Got dtype: ${String(dtype)}`,
      );
    }
    this.packed = embeddingBagPrepack(
      _emptyPerChannelAffineQuantized([numEmbeddings, embeddingDim], {
        scales: full([numEmbeddings], 1, { dtype: float32 }),
        zeroPoints: full([numEmbeddings], 0, { dtype: float32 }),
        axis: 0,
        dtype,
      }),
    );
  }

  get dtype(): DType {
    return this.packed.weight.dtype;
  }

  setWeight(weight: Tensor): void {
    this.packed = embeddingBagPrepack(weight);
  }

  weight(): Tensor {
    return embeddingBagUnpack(this.packed);
  }

  override stateVersion(): number {
    return 1;
  }

  override saveToStateDict(state: StateDict, prefix: string): void {
    state.set(`${prefix}_packed_weight`, this.weight());
  }

  override loadFromStateDict(context: LoadContext, prefix: string): string[] {
    const key = `${prefix}_packed_weight`;
    const weight = context.state.get(key);
    const own = this.weight().shape;
    if (!weight) context.missingKeys.push(key);
    else if (sameShape(weight.shape, own)) this.setWeight(weight);
    else context.errors.push(sizeMismatch(key, weight.shape, own));
    return [key];
  }

  override toString(): string {
    return String(this.weight());
  }
}
