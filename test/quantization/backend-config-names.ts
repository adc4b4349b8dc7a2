/** Reads the patterns and classes of PyTorch's dump (`test/golden/reference/backend_configs.json`) as Octet's. */
import * as F from "../../src/nn/functional.ts";
import * as nn from "../../src/nn/index.ts";
import * as ops from "../../src/ops/index.ts";
import type { Pattern } from "../../src/quantization/backend-config/pattern.ts";
import { MatchAllNode } from "../../src/quantization/backend-config/pattern.ts";
import * as nniqat from "../../src/quantization/namespaces/intrinsic-qat.ts";
import * as nni from "../../src/quantization/namespaces/intrinsic.ts";
import * as nnqat from "../../src/quantization/namespaces/qat.ts";
import * as nnqr from "../../src/quantization/namespaces/quantized-reference.ts";

type Names = Readonly<Record<string, unknown>>;

const spaces: Readonly<Record<string, Names>> = {
  nn,
  nni,
  nniqat,
  nnqat,
  nnqr,
  F,
  torch: { ...F, ...ops },
  operator: ops,
};

/** PyTorch's second names of functions. */
const aliases: Readonly<Record<string, string>> = {
  "torch.concat": "torch.cat",
  "torch.concatenate": "torch.cat",
  "operator.floordiv": "operator.floorDivide",
};

/** The object that `nn.Conv2d`, `F.relu` or `'relu'` names; undefined if Octet has none. */
export function named(text: string): unknown {
  if (text.startsWith("'")) return text.slice(1, -1);
  if (text === "MatchAllNode") return MatchAllNode;
  const [space, name] = (aliases[text] ?? text).split(".");
  const camel = /^[a-z]/.test(name) ? name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) : name;
  return spaces[space][camel];
}

/** `(nn.ReLU, (nn.BatchNorm1d, nn.Conv1d))` as a pattern; names that Octet lacks go to `missing`. */
export function parsePattern(text: string, missing: string[]): Pattern {
  if (!text.startsWith("(")) {
    const element = named(text);
    if (element === undefined) missing.push(text);
    return (element ?? text) as Pattern;
  }
  return splitTopLevel(text.slice(1, -1)).map((part) => parsePattern(part, missing));
}

function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let [depth, start] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")") depth--;
    else if (text[at] === "," && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return [...parts, text.slice(start).trim()];
}
