/** The qconfig says what is observed, the engine how weights are packed and sums are rounded: choose both for one backend. */
import { backends, quantization as q } from "octet";
import { runDirectly } from "./run.ts";

/** The settings for servers. */
function x86() {
  // for quantization after training
  const qconfig = q.getDefaultQconfig("x86");
  // or for quantization-aware training
  const qatQconfig = q.getDefaultQatQconfig("x86");
  // what packs the weights
  backends.quantized.engine = "x86";
  return { engine: backends.quantized.engine, qconfig: String(qconfig), qatQconfig: String(qatQconfig) };
}

/** The settings for phones. */
function qnnpack() {
  const qconfig = q.getDefaultQconfig("qnnpack");
  const qatQconfig = q.getDefaultQatQconfig("qnnpack");
  backends.quantized.engine = "qnnpack";
  return { engine: backends.quantized.engine, qconfig: String(qconfig), qatQconfig: String(qatQconfig) };
}

export function main() {
  const before = backends.quantized.engine;
  const settings = { qnnpack: qnnpack(), x86: x86() };
  backends.quantized.engine = before;
  return settings;
}

runDirectly(import.meta.url, main);
