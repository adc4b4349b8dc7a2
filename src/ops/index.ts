/** All operators, as PyTorch's top-level functions. Importing this file attaches the Tensor methods. */
import "./methods.ts";

export * from "./elementwise.ts";
export { clone, contiguous, copy_, fill_, zero_ } from "./copy.ts";
export * from "./shape.ts";
export {
  arange,
  empty,
  emptyLike,
  eye,
  fromArray,
  full,
  fullLike,
  linspace,
  logspace,
  ones,
  onesLike,
  tensor,
  zeros,
  zerosLike,
} from "./create.ts";
export type { CreateOptions, SizeArguments, TensorData } from "./create.ts";
export { bernoulli, rand, randint, randLike, randn, randnLike, randperm } from "./random.ts";
export type { RandomOptions } from "./random.ts";
