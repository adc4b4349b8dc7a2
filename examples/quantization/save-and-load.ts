/** Saving a quantized model: its state dict goes into a file, and is loaded into a model that was converted the same way. */
import type { Tensor } from "octet";
import { io, nn, noGrad, quantization as q, rand } from "octet";
import { runDirectly } from "./run.ts";

class M extends nn.Module {
  quant = new q.QuantStub();
  linear = new nn.Linear(5, 5);
  relu = new nn.ReLU();
  dequant = new q.DeQuantStub();

  override forward(input: Tensor): Tensor {
    const x = this.linear(this.quant(input));
    return this.dequant(this.relu(x));
  }
}

function prepared(): M {
  const m = new M().eval();
  m.qconfig = q.defaultQconfig;
  return q.prepare(m);
}

export function main() {
  const prepareOrig = prepared();
  noGrad(() => prepareOrig(rand([5, 5])));
  const quantizedOrig = q.convert(prepareOrig);

  // To a file: io.saveSafetensors(path, …) and io.loadSafetensors(path).
  const bytes = io.writeSafetensors(quantizedOrig.stateDict());

  // The other model needs no calibration (converting warns of that): scales and zero points are part of the state.
  const quantized = q.convert(prepared());
  quantized.loadStateDict(io.readSafetensors(bytes).tensors);

  const x = rand([3, 5]);
  return { keys: [...quantizedOrig.stateDict().keys()], original: quantizedOrig(x), loaded: quantized(x) };
}

runDirectly(import.meta.url, main);
