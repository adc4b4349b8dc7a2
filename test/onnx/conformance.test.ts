/**
 * ONNX's own tests of operators (Debian's package libonnx-testdata): models with inputs and the outputs that they must give.
 * Skipped where the package is not installed. Models with operators that Octet does not know are not run, but counted: what
 * is known must stay known.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { float16 } from "../../src/core/dtype.ts";
import { load } from "../../src/onnx/import.ts";
import { OpaqueNode } from "../../src/onnx/opaque.ts";
import { readTensor } from "../../src/onnx/read.ts";
import { toTensor } from "../../src/onnx/tensor.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { largestDifference, runImported } from "./oracle.ts";

const root = "/usr/share/libonnx-testdata/data";
const isInstalled = existsSync(root);
if (!isInstalled) console.warn("ONNX's own operator tests skipped: install Debian's libonnx-testdata");

/** Tests that cannot pass, and why. */
const exceptions: Readonly<Record<string, string>> = {
  "test_(cast|castlike)_.*BFLOAT16.*": "bfloat16 is kept in tensors of uint16 in the test data, not of bfloat16",
  "test_(cast|castlike)_STRING.*": "there are no tensors of strings",
  "test_identity_(opt|sequence)": "the input is no tensor",
  // Definition: sizes are products with the scale that are not cut off; ONNX Runtime and PyTorch cut them off.
  "test_resize_downsample_scales_(cubic|linear)_align_corners": "runtimes agree on another result",
};

const exception = new RegExp(`^(${Object.keys(exceptions).join("|")})$`);

function tensorsIn(folder: string, prefix: string): Tensor[] {
  const names = readdirSync(folder).filter((name) => name.startsWith(prefix));
  const number = (name: string): number => parseInt(name.split("_")[1], 10);
  const sorted = names.sort((a, b) => number(a) - number(b));
  return sorted.map((name) =>
    toTensor(readTensor(new Uint8Array(readFileSync(join(folder, name)))), { wideIntegers: "clamp" }),
  );
}

/** What is wrong with the outputs; null if nothing is. */
function mistake(mine: readonly Tensor[], wanted: readonly Tensor[]): string | null {
  for (const [i, tensor] of wanted.entries()) {
    if (mine[i].dtype !== tensor.dtype) return `output ${i} is ${mine[i].dtype.name} instead of ${tensor.dtype.name}`;
    if (mine[i].shape.join() !== tensor.shape.join()) return `output ${i} has shape ${mine[i].shape.join()}`;
    const difference = largestDifference(mine[i].toNumbers(), tensor.toNumbers());
    if (!(difference <= (tensor.dtype === float16 ? 2e-3 : 1e-4))) return `output ${i} differs by ${difference}`;
  }
  return null;
}

function folders(): string[] {
  const kinds = ["node", "simple", "pytorch-operator", "pytorch-converted"].map((kind) => join(root, kind));
  const all = kinds.filter(existsSync).flatMap((kind) => readdirSync(kind).map((name) => join(kind, name)));
  return all.filter(
    (folder) => existsSync(join(folder, "model.onnx")) && !exception.test(folder.split("/").at(-1) ?? ""),
  );
}

describe.runIf(isInstalled)("ONNX's operator tests", () => {
  it("give what they must, wherever all operators are known", () => {
    const failures: string[] = [];
    const counts = { passed: 0, opaque: 0 };
    for (const folder of folders()) {
      const model = load(join(folder, "model.onnx"));
      model.graph.lint();
      if ([...model.modules()].some((module) => module instanceof OpaqueNode)) {
        counts.opaque++;
        continue;
      }
      for (const set of readdirSync(folder).filter((name) => name.startsWith("test_data_set"))) {
        const data = join(folder, set);
        const wrong = mistake(runImported(model, tensorsIn(data, "input_")), tensorsIn(data, "output_"));
        if (wrong) failures.push(`${folder}: ${wrong}`);
        else counts.passed++;
      }
    }
    console.info(
      `ONNX's operator tests: ${counts.passed} passed; ${counts.opaque} models have operators that are not known`,
    );
    expect(failures).toEqual([]);
    expect(counts.passed).toBeGreaterThanOrEqual(860);
  }, 300_000);
});
