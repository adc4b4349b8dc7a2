/** Where a model's values become quantized and floats again (`torch.ao.quantization.stubs`). */
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { QConfig } from "./qconfig.ts";

/** Identity that is observed during calibration, and becomes Quantize at conversion. */
export class QuantStub extends Module {
  constructor(qconfig?: QConfig | null) {
    super();
    if (qconfig) this.qconfig = qconfig;
  }

  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** Identity that becomes DeQuantize at conversion. */
export class DeQuantStub extends Module {
  constructor(qconfig?: QConfig | null) {
    super();
    if (qconfig) this.qconfig = qconfig;
  }

  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** A module between a QuantStub and a DeQuantStub, so that it takes and gives floats when quantized. */
export class QuantWrapper extends Module {
  quant: QuantStub;
  dequant: DeQuantStub;
  module: Module;

  constructor(module: Module) {
    super();
    const { qconfig } = module;
    this.quant = new QuantStub(qconfig);
    this.dequant = new DeQuantStub(qconfig);
    this.module = module;
    this.train(module.training);
  }

  override forward(x: Tensor): Tensor {
    return this.dequant(this.module(this.quant(x)) as Tensor);
  }
}
