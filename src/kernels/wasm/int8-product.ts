/** Int8 products of packed panels that are longer than the cache: a block of steps at a time. */
import { A_STEP, B_STEP } from "./code/int8-tile.ts";
import type { WasmCode } from "./engine.ts";

/** Steps whose panel of B stays in the first-level cache: 16 KiB. */
const BLOCK_STEPS = 512;

/** Sizes, and addresses of the panels and of the sums. */
interface Int8Product {
  readonly m: number;
  readonly n: number;
  /** k, padded to a multiple of INT8_DEPTH_UNIT. */
  readonly depth: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** B consists of bytes. */
  readonly bytes?: boolean;
}

/** C[m, n] = A[m, k] · B[k, n] of whole panels, C with rows of n. */
export function multiplyInt8(code: WasmCode, { m, n, depth, a, b, c, bytes = false }: Int8Product): void {
  const steps = depth / 2;
  const [aStep, bStep] = [A_STEP, bytes ? B_STEP / 2 : B_STEP];
  const multiply = bytes ? code.multiplyInt8Bytes : code.multiplyInt8;
  for (let t = 0; t < steps; t += BLOCK_STEPS) {
    const count = Math.min(BLOCK_STEPS, steps - t);
    const [aBlock, bBlock] = [a + aStep * t, b + bStep * t];
    multiply(m, n, count, aBlock, aStep * steps, bBlock, bStep * steps, c, 4 * n, t > 0 ? 1 : 0);
  }
}
