/** All operators, as PyTorch's top-level functions. Importing this file attaches the Tensor methods. */
import "./methods.ts";

export * from "./elementwise.ts";
export { clone, contiguous, copy_, fill_, zero_ } from "./copy.ts";
export * from "./shape.ts";
