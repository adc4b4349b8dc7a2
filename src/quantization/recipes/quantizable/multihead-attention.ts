/** Attention with several heads, its projections and stubs as modules (`torch.ao.nn.quantizable.MultiheadAttention`). */
import { float32 } from "../../../core/dtype.ts";
import { OctetError, check, formatShape } from "../../../core/errors.ts";
import { noGrad } from "../../../autograd/grad-mode.ts";
import type { Module } from "../../../nn/module.ts";
import { Linear } from "../../../nn/modules/linear.ts";
import type { MultiheadAttentionOptions } from "../../../nn/modules/multihead-attention.ts";
import { MultiheadAttention as FloatMultiheadAttention } from "../../../nn/modules/multihead-attention.ts";
import { Parameter } from "../../../nn/parameter.ts";
import { full } from "../../../ops/create.ts";
import { dropout } from "../../../ops/dropout.ts";
import { add } from "../../../ops/elementwise.ts";
import { matmul } from "../../../ops/linear.ts";
import type { MultiheadCallOptions } from "../../../ops/multihead-attention.ts";
import { checkMasks, mergedMask, splitHeads } from "../../../ops/multihead-attention.ts";
import { dequantize, perTensorOf, quantizePerTensor } from "../../../ops/quantize.ts";
import { mean } from "../../../ops/reduce.ts";
import { cat, chunk, expand, permute, reshape, transpose } from "../../../ops/shape.ts";
import { softmax } from "../../../ops/softmax.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { FakeQuantizeBase } from "../../fake-quantize.ts";
import { DeQuantStub, QuantStub } from "../../stubs.ts";
import type { Factory } from "../../with-args.ts";
import { create } from "../../with-args.ts";
import { FloatFunctional } from "../functional.ts";
import type { Linear as QuantizedLinear } from "../linear/quantized.ts";
import { prepareInsides, qconfigOf, refuseStep } from "./insides.ts";

/**
 * As `nn.MultiheadAttention`, with batches. The projections are quantized; between the stubs, scores and softmax are
 * floats. The parameters of the base class but `bias_k` and `bias_v` are not used: they are there because PyTorch's state dicts
 * have them.
 *
 * PyTorch 2.6 does not put the heads' results together again with `batch_first`, and does not turn the output: it gives other
 * numbers than `nn.MultiheadAttention` there. Here both layouts give the same.
 */
export class MultiheadAttention extends FloatMultiheadAttention {
  linear_Q: Linear;
  linear_K: Linear;
  linear_V: Linear;
  q_scaling_product = new FloatFunctional();
  quant_attn_output = new QuantStub();
  quant_attn_output_weights = new QuantStub();
  dequant_q = new DeQuantStub();
  dequant_k = new DeQuantStub();
  dequant_v = new DeQuantStub();

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super(embedDim, numHeads, options);
    const { bias = true } = options;
    this.linear_Q = new Linear(embedDim, embedDim, { bias });
    this.linear_K = new Linear(this.kdim, embedDim, { bias });
    this.linear_V = new Linear(this.vdim, embedDim, { bias });
    this.out_proj = new Linear(embedDim, embedDim, { bias });
  }

  override forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: MultiheadCallOptions = {},
  ): readonly [output: Tensor, attnWeights: Tensor | null] {
    const turn = (x: Tensor) => (this.batchFirst ? transpose(x, 0, 1) : x);
    this.checkCall([query, key, value], options);
    const [output, weights] = this.attend(turn(query), turn(key), turn(value), options);
    return [turn(output), weights];
  }

  private checkCall(inputs: readonly Tensor[], { attnMask, isCausal }: MultiheadCallOptions): void {
    check(!(attnMask && isCausal), () => "Only allow causal mask or attn_mask");
    check(!isCausal, () => "causal mask not supported by AO MHA module");
    const shapes = () => inputs.map((x) => formatShape(x.shape)).join(", ");
    check(
      inputs.every((x) => x.ndim === 3),
      () => `${this.getName()}: query, key and value must have 3 dimensions, got shapes ${shapes()}`,
    );
  }

  /** Inputs [length, N, features]. */
  private attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: MultiheadCallOptions,
  ): readonly [output: Tensor, attnWeights: Tensor | null] {
    const { needWeights = true, averageAttnWeights = true } = options;
    const [length, batch] = query.shape;
    checkMasks(query, key, this.numHeads, options);
    const scaled = this.q_scaling_product.mulScalar(this.linear_Q(query), this.headDim ** -0.5);
    const keys = this.withExtraEntries(this.linear_K(key), this.bias_k);
    const values = this.withExtraEntries(this.linear_V(value), this.bias_v);
    const q = this.dequant_q(splitHeads(scaled, this.numHeads));
    const k = this.dequant_k(splitHeads(keys, this.numHeads));
    const v = this.dequant_v(splitHeads(values, this.numHeads));
    const mask = mergedMask(query.shape, q.dtype, this.numHeads, keys.shape[0] - key.shape[0], options);
    const products = matmul(q, transpose(k, 2, 3));
    const scores = softmax(mask ? add(products, mask) : products, -1);
    const weights = dropout(scores, { p: this.dropout, training: this.training });
    const joined = reshape(permute(matmul(weights, v), 2, 0, 1, 3), length, batch, this.embedDim);
    const output = this.out_proj(this.quant_attn_output(joined));
    const attention = this.quant_attn_output_weights(weights);
    if (!needWeights) return [output, null];
    return [output, averageAttnWeights ? mean(attention, 1) : attention];
  }

  /** Keys or values [S, N, E] with the learned and the zero entry behind them, on the grid of x if that is quantized. */
  private withExtraEntries(x: Tensor, learned: Tensor | null): Tensor {
    const entry = [1, x.shape[1], x.shape[2]];
    const parts = [x];
    if (learned) parts.push(expand(learned, entry));
    if (this.addZeroAttn) {
      const zeros = full(entry, 0, { dtype: float32 });
      parts.push(x.isQuantized ? onGridOf(x, zeros) : zeros);
    }
    return parts.length > 1 ? cat(parts, 0) : x;
  }

  override getName(): string {
    return "QuantizableMultiheadAttention";
  }

  /**
   * From a float MultiheadAttention with a qconfig, with its parts observed. It shares the weights.
   *
   * A module in training mode whose qconfig fake-quantizes weights gives one to be trained, with QAT linear layers. PyTorch
   * fails there: its `prepare_qat` does not know the class of `out_proj`. As there, every other one is in evaluation mode.
   *
   * @throws if `module` is no float MultiheadAttention or has no qconfig.
   */
  static fromFloat(module: Module): MultiheadAttention {
    if (!(module instanceof FloatMultiheadAttention)) {
      throw new OctetError(
        `MultiheadAttention.fromFloat: expected a float MultiheadAttention, got ${module.getName()}`,
      );
    }
    const qconfig = qconfigOf(module);
    const { embedDim, numHeads, addZeroAttn, kdim, vdim, batchFirst } = module;
    const observed = new this(embedDim, numHeads, {
      dropout: module.dropout,
      bias: module.in_proj_bias !== null,
      addBiasKv: module.bias_k !== null,
      addZeroAttn,
      kdim,
      vdim,
      batchFirst,
    });
    observed.shareParameters(module);
    observed.qconfig = qconfig;
    const trains = create(qconfig.weight as Factory<Module>) instanceof FakeQuantizeBase;
    observed.train(module.training && trains);
    prepareInsides(observed);
    return observed;
  }

  private shareParameters(float: FloatMultiheadAttention): void {
    this.bias_k = float.bias_k;
    this.bias_v = float.bias_v;
    this.out_proj.weight = float.out_proj.weight;
    this.out_proj.bias = float.out_proj.bias;
    const { in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias } = float;
    const weights = in_proj_weight
      ? noGrad(() => chunk(in_proj_weight, 3, 0))
      : ([q_proj_weight, k_proj_weight, v_proj_weight] as Tensor[]);
    const biases = in_proj_bias && noGrad(() => chunk(in_proj_bias, 3, 0));
    const own = (x: Tensor, of: Parameter | null) => new Parameter(x, { requiresGrad: (of ?? x).requiresGrad });
    [this.linear_Q, this.linear_K, this.linear_V].forEach((layer, i) => {
      layer.weight = own(weights[i], in_proj_weight);
      layer.bias = biases && own(biases[i], in_proj_bias);
    });
  }

  /**
   * A float MultiheadAttention with the dequantized weights of this quantized one. (In PyTorch 2.6 this fails, unless keys or
   * values have other sizes and there are no biases.)
   *
   * @throws if this module is not quantized.
   */
  dequantize(): FloatMultiheadAttention {
    const layers = [this.linear_Q, this.linear_K, this.linear_V, this.out_proj] as unknown as QuantizedLinear[];
    if (typeof layers[0].weight !== "function") {
      throw new OctetError(`${this.getName()}.dequantize: the module is not quantized; convert it first`);
    }
    const { embedDim, numHeads, addZeroAttn, kdim, vdim, batchFirst } = this;
    const float = new FloatMultiheadAttention(embedDim, numHeads, {
      dropout: this.dropout,
      bias: layers[0].bias() !== null,
      addBiasKv: this.bias_k !== null,
      addZeroAttn,
      kdim,
      vdim,
      batchFirst,
    });
    const parameter = (x: Tensor | null) => x && new Parameter(dequantize(x));
    const [q, k, v, out] = layers.map((layer) => dequantize(layer.weight()));
    const biases = layers.map((layer) => layer.bias());
    float.bias_k = parameter(this.bias_k);
    float.bias_v = parameter(this.bias_v);
    float.out_proj.weight = new Parameter(out);
    float.out_proj.bias = parameter(biases[3]);
    if (biases[0]) float.in_proj_bias = new Parameter(cat(biases.slice(0, 3) as Tensor[], 0));
    if (float.in_proj_weight) float.in_proj_weight = new Parameter(cat([q, k, v], 0));
    else {
      [float.q_proj_weight, float.k_proj_weight, float.v_proj_weight] = [q, k, v].map((x) => new Parameter(x));
    }
    return float.train(this.training);
  }

  /** Always throws: `nn.quantized.MultiheadAttention.fromObserved` is the step from observed to quantized. */
  static fromObserved(_observed: Module): MultiheadAttention {
    const instead = "See nn.quantized.MultiheadAttention.fromObserved.";
    return refuseStep("nn.quantizable.MultiheadAttention", "non-quantizable MultiheadAttention", instead);
  }
}

function onGridOf(x: Tensor, values: Tensor): Tensor {
  const { scale, zeroPoint } = perTensorOf(x);
  return quantizePerTensor(values, scale, zeroPoint, x.dtype);
}
