/** `octet inspect`: what is in a file. Nothing is run, and large files are not loaded. */
import { statSync } from "node:fs";
import type { Command } from "commander";
import { formatShape } from "../../core/errors.ts";
import type { FileFormat } from "../formats.ts";
import { detectFormat, formatTitles } from "../formats.ts";
import { inspectArchive } from "../inspect/archive.ts";
import { inspectNpy, inspectNpz, inspectSafetensors } from "../inspect/arrays.ts";
import { inspectCheckpoint } from "../inspect/checkpoint.ts";
import type { Inspection, TensorFacts } from "../inspect/inspection.ts";
import { formatQuantization } from "../inspect/inspection.ts";
import { inspectOnnx } from "../inspect/onnx.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes, formatCount, formatTable, plural } from "../text.ts";

const inspectors: Readonly<Record<FileFormat, (path: string) => Inspection>> = {
  onnx: inspectOnnx,
  safetensors: inspectSafetensors,
  checkpoint: inspectCheckpoint,
  archive: inspectArchive,
  npz: inspectNpz,
  npy: inspectNpy,
};

export function addInspectCommand(program: Command, io: CommandIo): void {
  program
    .command("inspect")
    .description("show what is in a file: operators, tensors, and what is quantized")
    .argument("<file>", "ONNX, safetensors, a PyTorch checkpoint, an Octet archive, .npz or .npy")
    .option("--json", "print JSON")
    .action((path: string, { json = false }: { json?: boolean }) => inspect(path, json, io));
}

function inspect(path: string, json: boolean, io: CommandIo): void {
  const format = detectFormat(path);
  const found = inspectors[format](path);
  const size = statSync(path).size;
  const text = json ? JSON.stringify(asJson(path, format, size, found), null, 2) : asText(path, format, size, found);
  io.stdout.write(`${text}\n`);
}

function asJson(path: string, format: FileFormat, bytes: number, { facts, tensors, operators }: Inspection): unknown {
  return {
    file: path,
    format,
    bytes,
    facts: Object.fromEntries(facts),
    operators: operators && Object.fromEntries(operators),
    totals: { ...totalsOf(tensors) },
    tensors,
  };
}

interface Totals {
  readonly tensors: number;
  readonly elements: number;
  readonly bytes: number;
  readonly quantizedTensors: number;
  readonly quantizedElements: number;
}

function totalsOf(tensors: readonly TensorFacts[]): Totals {
  const elementsOf = ({ shape }: TensorFacts): number => shape.reduce((n, size) => n * size, 1);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const quantized = tensors.filter(({ quantization }) => quantization !== null);
  return {
    tensors: tensors.length,
    elements: sum(tensors.map(elementsOf)),
    bytes: sum(tensors.map(({ bytes }) => bytes)),
    quantizedTensors: quantized.length,
    quantizedElements: sum(quantized.map(elementsOf)),
  };
}

function asText(path: string, format: FileFormat, bytes: number, { facts, tensors, operators }: Inspection): string {
  const lines = [`${path}: ${formatTitles[format]}, ${formatBytes(bytes)}`];
  if (facts.size)
    lines.push(
      "",
      ...formatTable([{ title: "" }, { title: "" }], [...facts])
        .slice(1)
        .map(indented),
    );
  if (operators?.size) lines.push("", ...operatorLines(operators));
  if (tensors.length) lines.push("", ...tensorLines(tensors));
  lines.push("", totalLine(tensors));
  return lines.join("\n");
}

function indented(line: string): string {
  return `  ${line}`;
}

function operatorLines(operators: ReadonlyMap<string, number>): string[] {
  const rows = [...operators].map(([name, count]) => [name, formatCount(count)]);
  return formatTable([{ title: "operator" }, { title: "count", align: "right" }], rows);
}

function tensorLines(tensors: readonly TensorFacts[]): string[] {
  const rows = tensors.map(({ name, shape, dtype, bytes, quantization }) => [
    name || "(no name)",
    formatShape(shape),
    dtype,
    formatBytes(bytes),
    quantization ? formatQuantization(quantization) : "",
  ]);
  const titles = [
    { title: "tensor" },
    { title: "shape" },
    { title: "dtype" },
    { title: "size", align: "right" },
  ] as const;
  return formatTable([...titles, { title: rows.some((row) => row[4] !== "") ? "quantized" : "" }], rows);
}

function totalLine(tensors: readonly TensorFacts[]): string {
  const totals = totalsOf(tensors);
  const sizes = `${plural(totals.tensors, "tensor")}, ${plural(totals.elements, "element")}, ${formatBytes(totals.bytes)}`;
  if (totals.quantizedTensors === 0) return `${sizes}; none is quantized`;
  const share = (100 * totals.quantizedElements) / totals.elements;
  return `${sizes}; quantized: ${plural(totals.quantizedTensors, "tensor")}, ${share.toFixed(1)} % of the elements`;
}
