/** `octet calibrate`: what observers note on a part of the data, to be merged by `octet quantize --states`. */
import type { Command } from "commander";
import { OctetError } from "../../core/errors.ts";
import { observerStates } from "../../quantization/calibrate.ts";
import { openData } from "../data/open.ts";
import type { CommandIo } from "../io.ts";
import { loadModel } from "../models.ts";
import type { DataFlags } from "../options.ts";
import { addDataOptions, parseShard } from "../options.ts";
import { runCalibration, writeJson } from "../quantize/calibration.ts";
import { fingerprintOf, hashFile } from "../quantize/fingerprint.ts";
import type { QuantizeFlags } from "../quantize/settings.ts";
import { addQuantizeOptions, prepareModel } from "../quantize/settings.ts";
import { plural } from "../text.ts";

interface CalibrateFlags extends DataFlags, QuantizeFlags {
  readonly shard?: { readonly number: number; readonly count: number };
  readonly out: string;
}

export function addCalibrateCommand(program: Command, io: CommandIo): void {
  const command = program
    .command("calibrate")
    .description("measure ranges on a part of the data, to be merged by octet quantize --states")
    .argument("<model>", "a float ONNX model or Octet archive");
  addQuantizeOptions(addDataOptions(command))
    .option("--shard <i/n>", "only the i-th of n parts of the calibration samples", parseShard)
    .requiredOption("--out <file>", "write the states to this .json file")
    .action((model: string, flags: CalibrateFlags) => calibrateModel(model, flags, io));
}

async function calibrateModel(path: string, flags: CalibrateFlags, io: CommandIo): Promise<void> {
  const { shard, out } = flags;
  if (!out.endsWith(".json")) throw new OctetError(`--out "${out}" is no .json file`);
  if (flags.mode && flags.mode !== "static") throw new OctetError(`--mode ${flags.mode} needs no calibration`);
  const model = loadModel(path);
  const { source: all } = await openData(flags.data, model.inputs, flags);
  const chosen = flags.limit === undefined ? all : all.take(flags.limit);
  const { calibration } = chosen.split({ heldOut: flags.heldOut });
  const source = shard ? calibration.shard(shard.number, shard.count) : calibration;
  const { prepared } = prepareModel(model.module, "static", flags);
  const settings = [flags.backend, flags.skip, flags.heldOut, flags.limit, shard];
  const fingerprint = fingerprintOf(await hashFile(path), flags.data, source, settings);
  const inputs = model.inputs.map(({ name }) => name);
  const job = { prepared, source, inputs, checkpoint: `${out}.part`, fingerprint };
  const samples = await runCalibration(job, io);
  writeJson(out, observerStates(prepared, samples));
  io.stdout.write(`calibrated on ${plural(samples, "sample")}\nwrote ${out}\n`);
}
