/** All operators, as PyTorch's top-level functions. Importing this file attaches the Tensor methods. */
import "./methods.ts";

export * from "./elementwise.ts";
