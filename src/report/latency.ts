/** Latency: two models run in turn, so that whatever slows the machine for a while slows both. */
import type { RuntimeReport } from "./report.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Something that runs both models, such as ONNX Runtime with the two files. */
export interface Runtime {
  readonly name: string;
  float(inputs: readonly Tensor[]): unknown;
  quantized(inputs: readonly Tensor[]): unknown;
}

export interface LatencyOptions {
  /** Timed runs of each model; default 15. 0 measures nothing. */
  readonly runs?: number;
  /** No new pair of runs begins after this many seconds for a runtime; default 20. At least one pair runs. */
  readonly maxSeconds?: number;
  /** Milliseconds since any moment. */
  readonly now?: () => number;
}

const WARM_UP_RUNS = 2;

/** Medians for the same inputs. What a run returns is awaited. */
export async function measureLatency(
  runtime: Runtime,
  inputs: readonly Tensor[],
  options: LatencyOptions = {},
): Promise<RuntimeReport> {
  const { runs = 15, maxSeconds = 20, now = () => performance.now() } = options;
  const times: { readonly float: number[]; readonly quantized: number[] } = { float: [], quantized: [] };
  const timed = async (which: "float" | "quantized"): Promise<number> => {
    const begin = now();
    await runtime[which](inputs);
    return now() - begin;
  };
  const end = now() + 1000 * maxSeconds;
  for (let i = 0; i < WARM_UP_RUNS; i++) {
    await timed("float");
    await timed("quantized");
  }
  for (let i = 0; i < runs && (i === 0 || now() < end); i++) {
    times.float.push(await timed("float"));
    times.quantized.push(await timed("quantized"));
  }
  const [floatMs, quantizedMs] = [median(times.float), median(times.quantized)];
  return { name: runtime.name, floatMs, quantizedMs, runs: times.float.length };
}

/** Of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
