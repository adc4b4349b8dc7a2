/** Folding a batch normalization into the layer before it (`torch.nn.utils.fusion`). */
import { OctetError } from "../../core/errors.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import { add, mul, reshape, rsqrt, sub, zerosLike } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Module } from "../module.ts";
import type { RunningNorm } from "../modules/norm.ts";
import { Parameter } from "../parameter.ts";

/** A layer with a weight whose dimension 0 (1 for transposed convolutions) is the output channels. */
export type Foldable = Module & { weight: Parameter; bias: Parameter | null };

/**
 * Weight and bias that compute bn(layer(x)): with k = γ / √(var + eps), w' = w · k per output channel and
 * b' = (b − mean) · k + β.
 */
export function fuseBnWeights(
  weight: Tensor,
  bias: Tensor | null,
  bn: RunningNorm,
  options: { readonly transpose?: boolean } = {},
): [weight: Parameter, bias: Parameter] {
  const { running_mean: mean, running_var: variance } = bn;
  if (!mean || !variance) throw new OctetError(`fuse: ${bn.getName()} keeps no running statistics to fold`);
  return noGrad(() => {
    const inverseDeviation = rsqrt(add(variance, bn.eps));
    const gain = bn.weight ? mul(bn.weight, inverseDeviation) : inverseDeviation;
    const channelDim = options.transpose ? 1 : 0;
    const perChannel = weight.shape.map((_, d) => (d === channelDim ? -1 : 1));
    const centred = sub(bias ?? zerosLike(mean), mean);
    const scaled = mul(centred, gain);
    return [
      new Parameter(mul(weight, reshape(gain, perChannel)), { requiresGrad: weight.requiresGrad }),
      new Parameter(bn.bias ? add(scaled, bn.bias) : scaled, { requiresGrad: bias?.requiresGrad ?? true }),
    ];
  });
}

/** A copy of `layer` with `bn` folded in; both must be in evaluation mode. */
export function fuseBnEval<M extends Foldable>(
  layer: M,
  bn: RunningNorm,
  options: { readonly transpose?: boolean } = {},
): M {
  if (layer.training || bn.training) throw new OctetError("Fusion only for eval!: call eval() on the model first");
  const fused = layer.deepCopy();
  [fused.weight, fused.bias] = fuseBnWeights(fused.weight, fused.bias, bn, options);
  return fused;
}
