/** Saving a model that graph mode quantized: its state goes into a file, and is loaded into one that was converted alike. */
import type { Tensor } from "octet";
import { io, nn, noGrad, quantization as q, rand } from "octet";
import { runDirectly } from "./run.ts";

class M extends nn.Module {
  linear = new nn.Linear(5, 5);
  relu = new nn.ReLU();

  override forward(x: Tensor): Tensor {
    return this.relu(this.linear(x));
  }
}

export function main() {
  const x = rand([5, 5]);
  const prepareOrig = q.prepareFx(new M().eval(), { "": q.defaultQconfig }, [x]);
  noGrad(() => prepareOrig(x) as unknown);
  const quantizedOrig = q.convertFx(prepareOrig);

  // To a file: io.saveSafetensors(path, …) and io.loadSafetensors(path).
  const bytes = io.writeSafetensors(quantizedOrig.stateDict());

  // Scales and zero points are part of the state, so this model needs no calibration; convertFx has to be told.
  const prepared = q.prepareFx(new M().eval(), { "": q.defaultQconfig }, [x]);
  const quantized = q.convertFx(prepared, { allowUncalibrated: true });
  quantized.loadStateDict(io.readSafetensors(bytes).tensors);

  return { keys: [...quantizedOrig.stateDict().keys()], original: quantizedOrig(x), loaded: quantized(x) };
}

runDirectly(import.meta.url, main);
