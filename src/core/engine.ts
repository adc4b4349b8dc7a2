/**
 * The quantized engine in PyTorch's sense: which arithmetic, default qconfigs and backend config are meant. It does not
 * choose who computes; kernels do that. All engines run on every machine.
 */
import { OctetError } from "./errors.ts";

export type Engine = "x86" | "fbgemm" | "onednn" | "qnnpack" | "none";

export const supportedEngines: readonly Engine[] = Object.freeze(["qnnpack", "none", "onednn", "x86", "fbgemm"]);

let engine: Engine = "x86";

export function getEngine(): Engine {
  return engine;
}

export function setEngine(value: Engine): void {
  if (!supportedEngines.includes(value)) throw new OctetError(`${value} is not a valid value for quantized engine`);
  engine = value;
}

/** Runs `body` under another engine, and restores the old one. */
export function withEngine<T>(value: Engine, body: () => T): T {
  const previous = engine;
  setEngine(value);
  try {
    return body();
  } finally {
    engine = previous;
  }
}

/** The engine for an operator that packs weights; "none" is refused in PyTorch's words. */
export function engineFor(operation: string): Exclude<Engine, "none"> {
  if (engine === "none") throw new OctetError(`Didn't find engine for operation quantized::${operation} NoQEngine`);
  return engine;
}
