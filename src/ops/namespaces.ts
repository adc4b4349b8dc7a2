/** PyTorch's `torch.ops`: the operators that exist only under the name of their library. */
export * as quantized from "./quantized/index.ts";
