/** How attention functions and modules are called: which inputs are masks, and what a call asks for. */
import { LayerNorm } from "../../src/nn/modules/norm.ts";
import type { MultiheadAttentionOptions } from "../../src/nn/modules/multihead-attention.ts";
import { MultiheadAttention } from "../../src/nn/modules/multihead-attention.ts";
import type { TransformerEncoderLayerOptions } from "../../src/nn/modules/transformer.ts";
import { TransformerEncoder, TransformerEncoderLayer } from "../../src/nn/modules/transformer.ts";
import type { AttentionOptions } from "../../src/ops/attention.ts";
import { scaledDotProductAttention } from "../../src/ops/attention.ts";
import type { MultiheadCallOptions } from "../../src/ops/multihead-attention.ts";
import type { OpCase, OpTable } from "./types.ts";

/** The options of the call stand in the name: a case's keywords are those of the constructor. */
function multihead(options: MultiheadCallOptions): OpCase {
  return {
    make: (args, kwargs) =>
      new MultiheadAttention(args[0] as number, args[1] as number, kwargs as MultiheadAttentionOptions),
    run: (module, { query, key = query, value = key, attn_mask: attnMask, key_padding_mask: keyPaddingMask }) =>
      (module as MultiheadAttention)(query, key, value, { attnMask, keyPaddingMask, ...options }),
  };
}

const encode: OpCase["run"] = (module, { src, src_mask: srcMask, src_key_padding_mask: srcKeyPaddingMask }) =>
  (module as TransformerEncoderLayer)(src, { srcMask, srcKeyPaddingMask });

export const attentionCases: OpTable = {
  scaledDotProductAttention: {
    call: ({ query, key, value, attn_mask: attnMask }, kwargs) =>
      scaledDotProductAttention(query, key, value, { ...kwargs, attnMask } as AttentionOptions),
  },
  MultiheadAttention: multihead({}),
  "MultiheadAttention.noWeights": multihead({ needWeights: false }),
  "MultiheadAttention.perHead": multihead({ averageAttnWeights: false }),
  "MultiheadAttention.causal": multihead({ isCausal: true }),
  "MultiheadAttention.causalHint": multihead({ isCausal: true, needWeights: false }),
  TransformerEncoderLayer: { run: encode },
  /** Two layers of 6 features, 2 heads and 8 inner features, and a norm at the end. */
  TransformerEncoder: {
    make: () => {
      const layer = new TransformerEncoderLayer(6, 2, {
        dimFeedforward: 8,
        dropout: 0,
      } satisfies TransformerEncoderLayerOptions);
      return new TransformerEncoder(layer, 2, { norm: new LayerNorm(6) });
    },
    run: encode,
  },
};
