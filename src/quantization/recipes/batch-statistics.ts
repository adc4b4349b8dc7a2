/** Batch normalizations inside layers that train with fake quantization: the factor to fold, and freezing their statistics. */
import type { Module } from "../../nn/module.ts";
import type { RunningNorm } from "../../nn/modules/norm.ts";
import { add, div, sqrt } from "../../ops/elementwise.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** γ / √(var + eps) by the running variance: what the normalization multiplies a channel by. */
export function gainOf(bn: RunningNorm): Tensor {
  return div(bn.weight as Tensor, sqrt(add(bn.running_var as Tensor, bn.eps)));
}

export interface HasBatchStatistics {
  bn: RunningNorm;
  /** The statistics are frozen: `train` does not change what the normalization does. */
  freezeBn: boolean;
  /** Normalizes by each batch, and updates the running statistics. */
  updateBnStats(): this;
  /** Normalizes by the running statistics, which stay. */
  freezeBnStats(): this;
}

// eslint-disable-next-line typescript/no-explicit-any -- what TypeScript asks of a class to be extended by a function
type Extensible = new (...args: any[]) => Module;
// eslint-disable-next-line typescript/no-explicit-any -- as above
type AddsBatchStatistics = new (...args: any[]) => HasBatchStatistics;

/** The class `Layer` with a batch normalization, which its subclass puts into `bn`. */
export function withBatchStatistics<C extends Extensible>(Layer: C): C & AddsBatchStatistics {
  const made = class extends (Layer as Extensible) implements HasBatchStatistics {
    declare bn: RunningNorm;
    freezeBn = false;

    override train(mode = true): this {
      if (!this.freezeBn) return super.train(mode);
      this.training = mode;
      return this;
    }

    updateBnStats(): this {
      this.freezeBn = false;
      this.bn.training = true;
      return this;
    }

    freezeBnStats(): this {
      this.freezeBn = true;
      this.bn.training = false;
      return this;
    }
  };
  return made as unknown as C & AddsBatchStatistics;
}

/** Lets batch normalizations inside QAT modules update their statistics; for `model.apply`. */
export function updateBnStats(module: Module): void {
  if (hasBatchStatistics(module)) module.updateBnStats();
}

/** Freezes the statistics of batch normalizations inside QAT modules; for `model.apply`. PyTorch's leaves LinearBn1d out. */
export function freezeBnStats(module: Module): void {
  if (hasBatchStatistics(module)) module.freezeBnStats();
}

function hasBatchStatistics(module: Module): module is Module & HasBatchStatistics {
  return "freezeBnStats" in module && "updateBnStats" in module;
}
