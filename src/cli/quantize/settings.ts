/** The options that say how a model is quantized, and the model prepared accordingly. */
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { OctetError } from "../../core/errors.ts";
import type { Engine } from "../../core/engine.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import { prepareFx } from "../../quantization/fx/quantize-fx.ts";
import type { QuantizationMode, QuantizationSettings, TargetBackend } from "../../quantization/modes.ts";
import { quantizationModes, quantizationSettings, targetBackends } from "../../quantization/modes.ts";

export interface QuantizeFlags {
  readonly mode?: QuantizationMode;
  readonly backend: TargetBackend;
  readonly skip: readonly string[];
  readonly heldOut: number;
}

export function addQuantizeOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--mode <mode>", "how activations are quantized; default: static with data, dynamic without").choices([
        ...quantizationModes,
      ]),
    )
    .addOption(
      new Option("--backend <name>", "whose arithmetic and default settings")
        .choices([...targetBackends])
        .default("x86"),
    )
    .option("--skip <nodes...>", "nodes or modules that stay float", collect, [])
    .option("--held-out <share>", "share of the samples that measures, and never calibrates", parseShare, 0.2);
}

/** Names of all uses of the option together. */
function collect(name: string, names: readonly string[]): readonly string[] {
  return [...names, name];
}

function parseShare(text: string): number {
  const share = Number(text);
  if (!(share > 0 && share <= 0.5)) throw new InvalidArgumentError("Expected a number above 0 and up to 0.5.");
  return share;
}

export interface PreparedModel extends QuantizationSettings {
  readonly mode: QuantizationMode;
  readonly engine: Engine;
  readonly prepared: GraphModule;
}

/** @throws if there is nothing to quantize in the model. */
export function prepareModel(model: GraphModule, mode: QuantizationMode, flags: QuantizeFlags): PreparedModel {
  const settings = quantizationSettings(model, mode, flags.backend, flags.skip);
  const { qconfigMapping, backendConfig } = settings;
  const prepared = prepareFx(model, qconfigMapping, [], { backendConfig });
  // TensorRT's arithmetic is that of floats between grids, which is closest to x86's.
  const engine = flags.backend === "tensorrt" ? "x86" : flags.backend;
  return { ...settings, mode, engine, prepared };
}

/** Static quantization needs data: random numbers would measure the wrong ranges. */
export function modeFor(flags: QuantizeFlags, hasRanges: boolean): QuantizationMode {
  const mode = flags.mode ?? (hasRanges ? "static" : "dynamic");
  if (mode === "static" && !hasRanges) {
    throw new OctetError("--mode static needs --data or --states: ranges of activations are measured on real samples");
  }
  return mode;
}
