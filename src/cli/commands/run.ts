/** `octet run`: a model over data; its outputs are written, and summed up in a table. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { float32, float64 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { batches, fixedBatchSize } from "../../data/model-inputs.ts";
import { saveNpz } from "../../io/npz.ts";
import { to } from "../../ops/conversions.ts";
import { dequantize } from "../../ops/quantize.ts";
import { cat } from "../../ops/rearrange.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { openData } from "../data/open.ts";
import type { CommandIo } from "../io.ts";
import { note } from "../io.ts";
import { loadModel } from "../models.ts";
import type { DataFlags } from "../options.ts";
import { addDataOptions, parseCount } from "../options.ts";
import { withProgress } from "../progress.ts";
import { formatNumber, formatTable, plural } from "../text.ts";

interface RunFlags extends DataFlags {
  readonly batchSize?: number;
  readonly out?: string;
}

export function addRunCommand(program: Command, io: CommandIo): void {
  const command = program
    .command("run")
    .description("run a model over data and write its outputs")
    .argument("<model>", "an Octet archive or an ONNX model");
  addDataOptions(command)
    .option("--batch-size <count>", "run so many samples at once; default 1", parseCount)
    .option("--out <file>", "write the outputs to this .npz file, joined along the first axis")
    .action((model: string, flags: RunFlags) => runModel(model, flags, io));
}

async function runModel(file: string, flags: RunFlags, io: CommandIo): Promise<void> {
  const { out, limit } = flags;
  if (out !== undefined) checkOutput(out);
  const model = loadModel(file);
  const { source: all, unused } = await openData(flags.data, model.inputs, flags);
  if (unused.length) note(io, `${flags.data}: the model has no input ${unused.join(", ")}; ignored`);
  const source = limit === undefined ? all : all.take(limit);
  const outputs = new Map<string, Tensor[]>();
  const size = flags.batchSize ?? fixedBatchSize(model.inputs) ?? 1;
  const options = { what: "running", unit: "samples", total: source.length };
  let [done, seconds] = [0, 0];
  await withProgress(io, options, async (progress) => {
    for await (const { indices, where, inputs } of batches(source, size)) {
      const started = performance.now();
      const results = naming(where, () => model.run(inputs));
      seconds += (performance.now() - started) / 1000;
      collect(outputs, results, where);
      await progress.report((done += indices.length));
    }
  });
  const joined = new Map([...outputs].map(([name, parts]) => [name, join(parts)]));
  if (out !== undefined) saveNpz(out, joined);
  const lines = [...summaryOf(joined), "", timing(done, seconds), ...(out === undefined ? [] : [`wrote ${out}`])];
  io.stdout.write(`${lines.join("\n")}\n`);
}

/** Finds out before the work what would make writing fail after it. */
function checkOutput(out: string): void {
  if (!out.endsWith(".npz")) throw new OctetError(`--out "${out}" is no .npz file`);
  const folder = path.dirname(out);
  if (!existsSync(folder)) throw new OctetError(`--out "${out}": there is no folder "${folder}"`);
}

/** What the model refuses is said with the sample. */
function naming<T>(where: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof OctetError)) throw error;
    throw new OctetError(`${where}: ${error.message}`, { cause: error });
  }
}

/** Adds the outputs of a batch; an .npz file needs the same sizes behind the first axis everywhere. */
function collect(outputs: Map<string, Tensor[]>, results: ReadonlyMap<string, Tensor>, where: string): void {
  for (const [name, result] of results) {
    const plain = result.isQuantized ? dequantize(result) : result;
    const part = plain.ndim === 0 ? plain.alias([1], [1], plain.offset) : plain;
    const parts = outputs.get(name);
    if (!parts) outputs.set(name, [part]);
    else if (part.ndim === parts[0].ndim && part.shape.every((size, i) => i === 0 || size === parts[0].shape[i])) {
      parts.push(part);
    } else {
      const [now, before] = [part, parts[0]].map(({ shape }) => formatShape(shape));
      throw new OctetError(`${where}: output "${name}" has shape ${now}, but ${before} before: they cannot be joined`);
    }
  }
}

function join(parts: readonly Tensor[]): Tensor {
  return parts.length === 1 ? parts[0] : cat(parts, 0);
}

function summaryOf(outputs: ReadonlyMap<string, Tensor>): string[] {
  const rows = [...outputs].map(([name, tensor]) => {
    const numbers = to(tensor, tensor.dtype === float32 ? float32 : float64).elements();
    let [low, high, sum] = [Infinity, -Infinity, 0];
    for (const value of numbers) [low, high, sum] = [Math.min(low, value), Math.max(high, value), sum + value];
    const statistics = numbers.length ? [low, high, sum / numbers.length].map(formatNumber) : ["", "", ""];
    return [name, formatShape(tensor.shape), tensor.dtype.name, ...statistics];
  });
  const right = (title: string) => ({ title, align: "right" }) as const;
  return formatTable(
    [{ title: "output" }, { title: "shape" }, { title: "dtype" }, ...["min", "max", "mean"].map(right)],
    rows,
  );
}

function timing(samples: number, seconds: number): string {
  const each = samples ? `, ${formatNumber((1000 * seconds) / samples)} ms each` : "";
  return `${plural(samples, "sample")} in ${formatNumber(seconds)} s${each}`;
}
