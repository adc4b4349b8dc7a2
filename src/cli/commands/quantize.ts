/** `octet quantize`: the int8 model, the proof that it still gives the same answers, and the recipe. */
import { mkdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { getEngine, setEngine } from "../../core/engine.ts";
import { OctetError } from "../../core/errors.ts";
import { writeFilesAtomic } from "../../core/files.ts";
import { VERSION } from "../../core/version.ts";
import type { DataSource } from "../../data/source.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import { writeArchive } from "../../io/archive.ts";
import { exportModel, exportNotes } from "../../onnx/export.ts";
import { onnxTargets } from "../../onnx/export-targets.ts";
import type { TargetName } from "../../onnx/export-targets.ts";
import { writeModel } from "../../onnx/write.ts";
import { mergeObserverStates } from "../../quantization/calibrate.ts";
import { convertFx, convertToReferenceFx } from "../../quantization/fx/quantize-fx.ts";
import type { Report, Sample } from "../../report/index.ts";
import { formatSummary, measure, reportHtml, wantsColor, writeReport } from "../../report/index.ts";
import { readLabels } from "../data/labels.ts";
import { openData } from "../data/open.ts";
import type { CommandIo } from "../io.ts";
import { ResultError, note } from "../io.ts";
import type { LoadedModel } from "../models.ts";
import { inputsToMetadata, loadModel } from "../models.ts";
import type { DataFlags } from "../options.ts";
import { addDataOptions } from "../options.ts";
import { withProgress } from "../progress.ts";
import { readStates, runCalibration } from "../quantize/calibration.ts";
import { fingerprintOf, hashFile } from "../quantize/fingerprint.ts";
import type { PreparedModel, QuantizeFlags } from "../quantize/settings.ts";
import { addQuantizeOptions, modeFor, prepareModel } from "../quantize/settings.ts";
import { plural } from "../text.ts";

interface Flags extends Omit<DataFlags, "data">, QuantizeFlags {
  readonly data?: string;
  readonly labels?: string;
  readonly states?: readonly string[];
  readonly target: TargetName;
  readonly out?: string;
  readonly minAgreement?: number;
}

export function addQuantizeCommand(program: Command, io: CommandIo): void {
  const command = program
    .command("quantize")
    .description("make the int8 model, and prove that it still gives the same answers")
    .argument("<model>", "a float ONNX model or Octet archive");
  addQuantizeOptions(addDataOptions(command, { required: false }))
    .option("--labels <file>", "right answers: .npy, .json or .txt, one for each sample")
    .option("--states <files...>", "merge what octet calibrate noted, instead of calibrating here")
    .option(
      "--target <name>",
      `runtime to write ONNX for: ${Object.keys(onnxTargets).join(", ")}`,
      parseTarget,
      "generic",
    )
    .option("--out <folder>", "write model, report and recipe here; default: beside the model")
    .option("--min-agreement <share>", "exit with 1 if fewer answers agree (0 to 1)", parseAgreement)
    .action((model: string, flags: Flags) => quantizeModel(model, flags, io));
}

function parseTarget(text: string): TargetName {
  if (!Object.hasOwn(onnxTargets, text)) {
    throw new InvalidArgumentError(`Expected one of ${Object.keys(onnxTargets).join(", ")}.`);
  }
  return text as TargetName;
}

function parseAgreement(text: string): number {
  const share = Number(text);
  if (text.trim() === "" || !(share >= 0 && share <= 1))
    throw new InvalidArgumentError("Expected a number from 0 to 1.");
  return share;
}

async function quantizeModel(file: string, flags: Flags, io: CommandIo): Promise<void> {
  const engineBefore = getEngine();
  try {
    await new Quantization(file, loadModel(file), flags, io).run();
  } finally {
    setEngine(engineBefore);
  }
}

/** Samples with their labels; those that calibrate are not those that measure. */
interface SplitData {
  readonly calibration: DataSource;
  readonly heldOut: DataSource;
  readonly labels: Float64Array | null;
}

class Quantization {
  private readonly file: string;
  private readonly model: LoadedModel;
  private readonly flags: Flags;
  private readonly io: CommandIo;
  private readonly folder: string;
  private readonly name: string;

  constructor(file: string, model: LoadedModel, flags: Flags, io: CommandIo) {
    this.file = file;
    this.model = model;
    this.flags = flags;
    this.io = io;
    this.name = path.basename(file, path.extname(file));
    this.folder = flags.out ?? path.join(path.dirname(file), `${this.name}-int8`);
    if (flags.minAgreement !== undefined && !flags.data)
      throw new OctetError("--min-agreement needs --data to measure on");
  }

  async run(): Promise<void> {
    const { flags, io } = this;
    const data = await this.openSplit();
    const mode = modeFor(flags, data !== null || (flags.states?.length ?? 0) > 0);
    const prepared = prepareModel(this.model.module, mode, flags);
    if (!data) note(io, `without --data nothing is calibrated or measured: quantizing in mode ${mode}`);
    setEngine(prepared.engine);
    const calibrationSamples = mode === "static" ? await this.calibrate(prepared.prepared, data) : null;
    const options = { backendConfig: prepared.backendConfig };
    const int8 = convertFx(prepared.prepared, options);
    const command = this.commandLine(mode);
    const recipe = { mode, backend: flags.backend, calibrationSamples: calibrationSamples ?? 0, command };
    const converted = this.encode(int8, convertToReferenceFx(prepared.prepared, options), JSON.stringify(recipe));
    const report = data ? await this.measure(prepared, int8, data, recipe, converted.bytes.length) : null;
    this.write(converted, report, recipe);
    if (report) io.stdout.write(`${formatSummary(report, { color: wantsColor(io.stdout) })}\n\n`);
    io.stdout.write(`wrote ${this.folder}${path.sep}\n`);
    if (report) this.checkAgreement(report);
  }

  private async openSplit(): Promise<SplitData | null> {
    const { data, labels, limit, heldOut } = this.flags;
    if (!data) {
      if (labels) throw new OctetError("--labels needs --data");
      return null;
    }
    const { source, unused } = await openData(data, this.model.inputs, this.flags);
    if (unused.length) note(this.io, `${data}: the model has no input ${unused.join(", ")}; ignored`);
    const chosen = limit === undefined ? source : source.take(limit);
    return { ...chosen.split({ heldOut }), labels: labels ? readLabels(labels, source) : null };
  }

  /** Returns the number of samples behind the ranges. */
  private async calibrate(prepared: GraphModule, data: SplitData | null): Promise<number> {
    const { states, backend, skip, heldOut, limit } = this.flags;
    if (states?.length) return mergeObserverStates(prepared, states.map(readStates));
    const source = (data as SplitData).calibration;
    const hash = await hashFile(this.file);
    const fingerprint = fingerprintOf(hash, this.flags.data as string, source, [backend, skip, heldOut, limit]);
    const inputs = this.model.inputs.map(({ name }) => name);
    const checkpoint = path.join(this.folder, "calibration.part.json");
    return runCalibration({ prepared, source, inputs, checkpoint, fingerprint }, this.io);
  }

  /** The file of the int8 model: ONNX of ONNX, else an archive. */
  private encode(int8: GraphModule, reference: GraphModule, recipe: string): { name: string; bytes: Uint8Array } {
    if (this.model.format === "archive") {
      const metadata = { inputs: inputsToMetadata(this.model.inputs) };
      return { name: `${this.name}.int8.octet`, bytes: writeArchive(int8, { recipe, metadata }) };
    }
    const model = exportModel(reference, { target: this.flags.target, recipe });
    for (const line of exportNotes(model)) note(this.io, line);
    return { name: `${this.name}.int8.onnx`, bytes: writeModel(model) };
  }

  private async measure(
    { prepared, backendConfig }: PreparedModel,
    int8: GraphModule,
    { heldOut, labels }: SplitData,
    recipe: NonNullable<Parameters<typeof measure>[0]["recipe"]>,
    quantizedBytes: number,
  ): Promise<Report> {
    const options = { what: "measuring", unit: "samples", total: heldOut.length };
    return withProgress(this.io, options, async (progress) =>
      measure({
        float: this.model.module,
        quantized: int8,
        prepared,
        backendConfig,
        recipe,
        name: path.basename(this.file),
        files: { float: statSync(this.file).size, quantized: quantizedBytes },
        samples: samplesOf(heldOut, this.model, labels, (done) => progress.report(done)),
      }),
    );
  }

  /** All files at once, or none. */
  private write(converted: { name: string; bytes: Uint8Array }, report: Report | null, recipe: object): void {
    const text = (value: string): Uint8Array => new TextEncoder().encode(value);
    const files: [name: string, bytes: Uint8Array][] = [
      [converted.name, converted.bytes],
      ["recipe.json", text(`${JSON.stringify({ octet: VERSION, ...recipe }, null, 2)}\n`)],
    ];
    if (report) files.push(["report.html", text(reportHtml(report))], ["report.json", text(writeReport(report))]);
    mkdirSync(this.folder, { recursive: true });
    writeFilesAtomic(files.map(([name, bytes]) => ({ path: path.join(this.folder, name), pieces: [bytes] })));
  }

  private commandLine(mode: string): string {
    const { data, backend, skip, heldOut, limit, target, states } = this.flags;
    const words = [
      "octet quantize",
      this.file,
      ...(data ? ["--data", data] : []),
      "--mode",
      mode,
      "--backend",
      backend,
    ];
    if (skip.length) words.push("--skip", ...skip);
    if (states?.length) words.push("--states", ...states);
    words.push(
      "--held-out",
      String(heldOut),
      ...(limit === undefined ? [] : ["--limit", String(limit)]),
      "--target",
      target,
    );
    return words.map((word) => (/\s/.test(word) && word !== "octet quantize" ? JSON.stringify(word) : word)).join(" ");
  }

  private checkAgreement(report: Report): void {
    const least = this.flags.minAgreement;
    if (least === undefined) return;
    const agreement = Math.min(...report.outputs.map(agreementOf));
    if (agreement >= least) return;
    throw new ResultError(`agreement is ${agreement.toFixed(4)}, below the ${least} that --min-agreement asks for`);
  }
}

/** The share of equal answers of a classifier; of other outputs the mean cosine. */
function agreementOf({ top1, cosine, rows }: Report["outputs"][number]): number {
  if (top1) return top1.agreed / rows;
  return cosine?.mean ?? 0;
}

async function* samplesOf(
  source: DataSource,
  model: LoadedModel,
  labels: Float64Array | null,
  report: (done: number) => Promise<void>,
): AsyncGenerator<Sample> {
  let done = 0;
  for await (const { index, inputs } of source) {
    const tensors = model.inputs.map(({ name }) => inputs.get(name)!);
    yield labels ? { inputs: tensors, label: labels[index] } : { inputs: tensors };
    await report(++done);
  }
  if (done === 0) throw new OctetError(`${source.title}: no sample is left to measure on: ${plural(0, "sample")}`);
}
