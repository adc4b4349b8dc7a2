/** Functions that a tracer does not look into. */
import { traceable } from "../ops/op.ts";
import type { TargetFunction } from "./targets.ts";

/**
 * `fn`, recorded as one call when it gets traced values (`torch.fx.wrap`). Use what is returned; functions cannot be
 * replaced where they are, as PyTorch does.
 */
export function wrap<F extends TargetFunction>(fn: F, name: string = fn.name): F {
  return traceable(name, fn);
}
