/** How the operators of src/ops/shape.ts and copy.ts are called. */
import { clone, contiguous, copy_, fill_, zero_ } from "../../src/ops/copy.ts";
import { repeatInterleave } from "../../src/ops/indexing.ts";
import * as ops from "../../src/ops/shape.ts";
import { onList, positional, positionalOnCopy } from "./tensor-ops.ts";
import type { OpTable } from "./types.ts";

export const shapeCases: OpTable = {
  view: positional(ops.view),
  reshape: positional(ops.reshape),
  flatten: positional(ops.flatten),
  unflatten: positional(ops.unflatten),
  squeeze: positional(ops.squeeze),
  unsqueeze: positional(ops.unsqueeze),
  expand: positional(ops.expand),
  expandAs: positional(ops.expandAs),
  broadcastTo: positional(ops.broadcastTo),
  permute: positional(ops.permute),
  transpose: positional(ops.transpose),
  t: positional(ops.t),
  movedim: positional(ops.movedim),
  narrow: positional(ops.narrow),
  select: positional(ops.select),
  slice: positional(ops.slice),
  diagonal: positional(ops.diagonal),
  asStrided: positional(ops.asStrided),
  unbind: positional(ops.unbind),
  split: positional(ops.split),
  chunk: positional(ops.chunk),
  cat: onList(ops.cat),
  stack: onList(ops.stack),
  repeat: positional(ops.repeat),
  tile: positional(ops.tile),
  flip: positional(ops.flip),
  roll: positional(ops.roll),
  tril: positional(ops.tril),
  triu: positional(ops.triu),
  diag: positional(ops.diag),
  clone: positional(clone),
  contiguous: positional(contiguous),
  copy_: positionalOnCopy(copy_),
  fill_: positionalOnCopy(fill_),
  zero_: positionalOnCopy(zero_),
  repeatInterleave: positional(repeatInterleave),
};
