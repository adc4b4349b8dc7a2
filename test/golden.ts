/**
 * Reads the golden data (test/golden/README.md): what PyTorch computes, forward and backward, for every operator.
 * The environment variable OCTET_GOLDEN names another folder to read instead.
 */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadSafetensors } from "../src/io/safetensors.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** A run of a case: in float32, in float64, or in the dtypes of the stored inputs. */
export type Run = "f32" | "f64" | "raw";

export interface GoldenCase {
  readonly name: string;
  /** Function or class name as Octet exports it. */
  readonly op: string;
  readonly kind: "function" | "module";
  readonly args: readonly unknown[];
  /** Under camelCased names, without those that are None. */
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  readonly differentiable: readonly string[];
  readonly outputs: number;
  readonly training: boolean;
  readonly runs: readonly Run[];
}

export class GoldenFamily {
  readonly name: string;
  readonly torch: string;
  readonly cases: readonly GoldenCase[];
  private readonly tensors: ReadonlyMap<string, Tensor>;

  constructor(name: string, path: string) {
    const { tensors, metadata } = loadSafetensors(path);
    this.name = name;
    this.torch = metadata.get("torch") ?? "";
    this.cases = (JSON.parse(metadata.get("cases") ?? "[]") as GoldenCase[]).map(normalize);
    this.tensors = tensors;
  }

  /** The tensor at a path below a case. */
  get(case_: GoldenCase, path: string): Tensor {
    const found = this.tensors.get(`${case_.name}/${path}`);
    if (!found) throw new Error(`golden family ${this.name}: no tensor ${case_.name}/${path}`);
    return found;
  }

  /** All tensors below a folder of a case, by the rest of their path. */
  under(case_: GoldenCase, folder: string): Map<string, Tensor> {
    const prefix = `${case_.name}/${folder}/`;
    const found = new Map<string, Tensor>();
    for (const [key, tensor] of this.tensors) {
      if (key.startsWith(prefix)) found.set(key.slice(prefix.length), tensor);
    }
    return found;
  }
}

function normalize(case_: GoldenCase): GoldenCase {
  return { ...case_, kwargs: camelCaseKeys(case_.kwargs), runs: case_.runs ?? ["f32", "f64"] };
}

/** PyTorch's keyword arguments as Octet's options: camelCased, and without those that are None. */
export function camelCaseKeys(kwargs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = Object.entries(kwargs).filter(([, value]) => value !== null);
  return Object.fromEntries(given.map(([key, value]) => [camelCase(key), value]));
}

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Where the golden data of one family lies; PyTorch's scripts in tools/golden write it. */
export const goldenFolder = process.env.OCTET_GOLDEN ?? fileURLToPath(new URL("golden/", import.meta.url));

/** Every family in the folder, in the order of their names. */
export function goldenFamilies(): GoldenFamily[] {
  if (!existsSync(goldenFolder)) throw new Error(`no golden data: ${goldenFolder} does not exist`);
  const files = readdirSync(goldenFolder).filter((file) => file.endsWith(".safetensors"));
  return files.sort().map((file) => new GoldenFamily(file.replace(".safetensors", ""), `${goldenFolder}/${file}`));
}
