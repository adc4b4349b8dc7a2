/** All operators, as PyTorch's top-level functions. Importing this file attaches the Tensor methods. */
import "./methods.ts";

export * from "./elementwise.ts";
export { clone, contiguous, copy_, fill_, zero_ } from "./copy.ts";
export * from "./rearrange.ts";
export {
  asStrided,
  broadcastTo,
  chunk,
  diagonal,
  expand,
  expandAs,
  flatten,
  movedim,
  narrow,
  permute,
  reshape,
  select,
  slice,
  split,
  squeeze,
  squeeze_,
  t,
  t_,
  transpose,
  transpose_,
  unbind,
  unflatten,
  unsqueeze,
  unsqueeze_,
  view,
} from "./shape.ts";
export type { Sizes } from "./shape.ts";
