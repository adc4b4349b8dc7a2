/** Quantization-aware training: the network learns with the rounding that int8 will do. */
import type { Tensor } from "octet";
import { nn, noGrad, optim, quantization as q, randn } from "octet";
import { runDirectly } from "./run.ts";

class M extends nn.Module {
  quant = new q.QuantStub();
  conv = new nn.Conv2d(1, 1, 1);
  bn = new nn.BatchNorm2d(1);
  relu = new nn.ReLU();
  dequant = new q.DeQuantStub();

  override forward(input: Tensor): Tensor {
    let x = this.quant(input);
    x = this.conv(x);
    x = this.bn(x);
    x = this.relu(x);
    return this.dequant(x);
  }
}

/** Some steps towards the outputs of the float model; returns the losses. */
function trainingLoop(model: M, input: Tensor, target: Tensor): number[] {
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.05 });
  return Array.from({ length: 20 }, () => {
    optimizer.zeroGrad();
    const loss = nn.functional.mseLoss(model(input), target);
    loss.backward();
    optimizer.step();
    return loss.item();
  });
}

/** Prepares a fused model, trains and converts it. */
function quantizationAware(modelFp32Fused: M, inputFp32: Tensor, target: Tensor) {
  // Inserts observers and fake quantization. The model must be in training mode.
  const modelFp32Prepared = q.prepareQat(modelFp32Fused.train());

  const losses = trainingLoop(modelFp32Prepared, inputFp32, target);

  // Quantizes the weights, folds batch norms, and puts quantized modules in place.
  modelFp32Prepared.eval();
  const modelInt8 = q.convert(modelFp32Prepared);

  // The calculations happen in int8.
  const res = modelInt8(inputFp32);
  return { modelFp32Prepared, losses, modelInt8, res, simulated: noGrad(() => modelFp32Prepared(inputFp32)) };
}

export function main() {
  const modelFp32 = new M().eval();
  const inputFp32 = randn([8, 1, 4, 4]);
  const target = noGrad(() => modelFp32(inputFp32));
  modelFp32.qconfig = q.getDefaultQatQconfig("x86");

  // Fuses activations into the layers before them; the model must be in evaluation mode, because this folds the batch norm.
  const folded = q.fuseModules(modelFp32, [["conv", "bn", "relu"]]);
  // Or fuses for training: the batch norm goes on learning, and is folded at conversion.
  const learning = q.fuseModulesQat(modelFp32.train(), [["conv", "bn", "relu"]]);

  return {
    target,
    folded: quantizationAware(folded, inputFp32, target),
    learning: quantizationAware(learning, inputFp32, target),
  };
}

runDirectly(import.meta.url, main);
