/** `ops.quantized` against the list of PyTorch 2.6's operators, tools/compat/quantized-ops.json: nothing missing, nothing else. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ops } from "../../src/index.ts";
import { camelCase } from "../../tools/compat/names.ts";

/** Names with their overloads, as `add.Scalar_out`. */
const schemas = JSON.parse(
  readFileSync(new URL("../../tools/compat/quantized-ops.json", import.meta.url), "utf8"),
) as string[];

/** In PyTorch these only say that a model has to be exported again. */
const OUTDATED = /legacy$/;

/** Overloads have one function; those that write into a given tensor are named as the operator with `_out`. */
function octetName(schema: string): string {
  const [name, overload = ""] = schema.split(".");
  return camelCase(overload.endsWith("out") ? `${name}_out` : name);
}

const expected = new Set(schemas.filter((schema) => !OUTDATED.test(schema)).map(octetName));
const exported = Object.keys(ops.quantized);

it("has every operator of PyTorch that is not outdated", () => {
  expect([...expected].filter((name) => !exported.includes(name))).toEqual([]);
  expect(schemas).toHaveLength(170);
});

it("has no other operator", () => {
  expect(exported.filter((name) => !expected.has(name))).toEqual([]);
});
