/**
 * Packed weights of every kind as what they were made from: two tensors and the way of packing. This is what files and
 * state dicts hold of them, because the packed bytes are the kernels' own affair.
 */
import { supportedEngines, withEngine } from "../../core/engine.ts";
import { OctetError } from "../../core/errors.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { ConvPackedParams } from "./conv.ts";
import { convPrepack, convTransposePrepack, convUnpack } from "./conv.ts";
import type { EmbeddingPackedParams } from "./embedding.ts";
import { embeddingBagPrepack } from "./embedding.ts";
import type { Fp16PackedParams } from "./linear-fp16.ts";
import { linearPrepackFp16 } from "./linear-fp16.ts";
import { linearPrepack } from "./linear.ts";
import type { PackedParams, PackingEngine } from "./packed-params.ts";

export type AnyPackedParams = PackedParams | ConvPackedParams | Fp16PackedParams | EmbeddingPackedParams;

/** How a weight was packed. Weights of float16 precision and embeddings do not depend on the engine. */
export type PackedForm =
  | { readonly kind: "linear"; readonly engine: PackingEngine }
  | ({ readonly kind: "conv"; readonly engine: PackingEngine } & Pick<
      ConvPackedParams,
      "rank" | "transposed" | "options"
    >)
  | { readonly kind: "linear float16" }
  | { readonly kind: "embedding" };

/** True for what the packing operators return. */
export function isPacked(value: unknown): value is AnyPackedParams {
  if (typeof value !== "object" || value === null || !Object.isFrozen(value)) return false;
  if (!("weight" in value) || !(value.weight instanceof Tensor)) return false;
  return "int8" in value || "widened" in value || "table" in value;
}

export function packedForm(packed: AnyPackedParams): PackedForm {
  if ("widened" in packed) return { kind: "linear float16" };
  if ("table" in packed) return { kind: "embedding" };
  const { engine } = packed;
  if (!("rank" in packed)) return { kind: "linear", engine };
  const { rank, transposed, options } = packed;
  return { kind: "conv", engine, rank, transposed, options };
}

/** The weight and bias that were packed; the weight of float16 precision as float16. */
export function packedTensors(packed: AnyPackedParams): readonly [weight: Tensor, bias: Tensor | null] {
  if ("table" in packed) return [packed.weight, null];
  return "rank" in packed ? convUnpack(packed) : [packed.weight, packed.bias];
}

/** Packs a weight and its bias; an embedding has none. The engine is the form's, whatever it is at the moment. */
export function packAs(form: PackedForm, weight: Tensor, bias: Tensor | null): AnyPackedParams {
  switch (form.kind) {
    case "linear":
      return withEngine(checkedEngine(form.engine), () => linearPrepack(weight, bias));
    case "conv": {
      const { rank, transposed, options } = form;
      const pack = transposed ? convTransposePrepack : convPrepack;
      return withEngine(checkedEngine(form.engine), () => pack(rank, weight, bias, options));
    }
    case "linear float16":
      return withEngine("qnnpack", () => linearPrepackFp16(weight, bias));
    case "embedding":
      return embeddingBagPrepack(weight);
    default:
      form satisfies never;
      throw new OctetError(`packAs: unknown form "${(form as PackedForm).kind}"`);
  }
}

function checkedEngine(engine: PackingEngine): PackingEngine {
  if (supportedEngines.includes(engine)) return engine;
  throw new OctetError(`packAs: "${String(engine)}" is no engine`);
}
