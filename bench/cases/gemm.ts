/** Matrix products in float32: plain arrays in, plain array out. */
import { createWasmKernels } from "../../src/kernels/wasm/index.ts";
import type { BenchCase, Contestant } from "../harness.ts";
import type { Peer } from "../peers.ts";
import { octetName, randomFloats } from "./data.ts";

/** m × k × n: a linear layer for one token, for 32, for 128; a square; a convolution as a product; an output layer. */
const SIZES = [
  [1, 1024, 1024],
  [32, 1024, 1024],
  [128, 768, 3072],
  [512, 512, 512],
  [3136, 576, 64],
  [64, 128, 10],
] as const;

export async function gemmCases(peers: readonly Peer[]): Promise<BenchCase[]> {
  const cases: BenchCase[] = [];
  for (const [m, k, n] of SIZES) {
    const [a, b] = [randomFloats(m * k, 1), randomFloats(k * n, 2)];
    const contestants = [octet(m, k, n, a, b, false), octet(m, k, n, a, b, true)];
    const others = await Promise.all(peers.map((peer) => peer.matmul(m, k, n, a, b)));
    cases.push({
      group: "gemm",
      name: `${m} × ${k} × ${n}`,
      flops: 2 * m * k * n,
      contestants: [...contestants, ...others],
    });
  }
  return cases;
}

function octet(m: number, k: number, n: number, a: Float32Array, b: Float32Array, transB: boolean): Contestant {
  const kernels = createWasmKernels();
  if (!kernels) throw new Error("octet's wasm kernels are not available in this engine");
  const c = new Float32Array(m * n);
  const spec = { m, n, k, transA: false, transB, accumulate: false };
  return { who: octetName(transB ? ", B transposed" : ""), run: () => kernels.gemm(spec, a, b, c) };
}
