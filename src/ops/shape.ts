/**
 * Everything that changes where elements stand, not what they are: views (views.ts, windows.ts) and rearrangements that
 * copy (rearrange.ts). Import from here.
 */
export {
  broadcastTo,
  expand,
  expandAs,
  flatten,
  movedim,
  permute,
  reshape,
  squeeze,
  squeeze_,
  t,
  t_,
  transpose,
  transpose_,
  unflatten,
  unsqueeze,
  unsqueeze_,
  view,
} from "./views.ts";
export type { Sizes } from "./views.ts";
export { asStrided, chunk, diagonal, narrow, select, slice, split, unbind } from "./windows.ts";
export { cat, diag, flip, repeat, roll, stack, tile, tril, triu } from "./rearrange.ts";
