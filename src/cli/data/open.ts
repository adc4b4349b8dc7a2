/** `--data`: which reader a path needs, and the data fitted to a model. */
import { statSync } from "node:fs";
import path from "node:path";
import { OctetError } from "../../core/errors.ts";
import type { InputSpec } from "../../data/model-inputs.ts";
import { fitToModel, formatInput } from "../../data/model-inputs.ts";
import type { DataSource } from "../../data/source.ts";
import type { ImageOptions } from "./images.ts";
import { imageSource } from "./images.ts";
import { JsonLinesSource } from "./json-lines.ts";
import { moduleSource } from "./module.ts";
import { npySource, npzSource, safetensorsSource } from "./rows.ts";

/** What the command line says about images; the model says what is left out. */
export interface DataOptions {
  readonly size?: { readonly width: number; readonly height: number };
  readonly layout?: ImageOptions["layout"];
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly fit?: ImageOptions["fit"];
}

export interface FittedData {
  readonly source: DataSource;
  /** Names of arrays that the model has no input for. */
  readonly unused: readonly string[];
}

/** Opens data for a model with the inputs `specs`. Throws an {@link OctetError} of one line on anything that is wrong with it. */
export async function openData(where: string, specs: readonly InputSpec[], options: DataOptions): Promise<FittedData> {
  return fitToModel(await openSource(where, specs, options), specs);
}

async function openSource(where: string, specs: readonly InputSpec[], options: DataOptions): Promise<DataSource> {
  const found = statSync(where, { throwIfNoEntry: false });
  if (!found) throw new OctetError(`cannot read "${where}": no such file or folder`);
  if (found.isDirectory()) return imageSource(where, imageOptions(where, specs, options));
  for (const option of ["size", "layout", "mean", "std", "fit"] as const) {
    if (options[option]) throw new OctetError(`--${option} is for a folder of images, but ${where} is a file`);
  }
  switch (path.extname(where).toLowerCase()) {
    case ".npz":
      return npzSource(where);
    case ".npy":
      return npySource(where);
    case ".safetensors":
      return safetensorsSource(where);
    case ".jsonl":
    case ".ndjson":
      return new JsonLinesSource(where);
    case ".js":
    case ".mjs":
    case ".cjs":
      return moduleSource(where);
    default:
      throw new OctetError(
        `${where}: data is read from .npz, .npy, .safetensors, .jsonl and .mjs files and from folders of images`,
      );
  }
}

/** The options of images, from the command line and the shape of the model's input. */
function imageOptions(folder: string, specs: readonly InputSpec[], options: DataOptions): ImageOptions {
  if (specs.length !== 1) {
    const inputs = specs.map(formatInput).join(", ");
    throw new OctetError(`${folder}: images are one input, but the model has ${specs.length}: ${inputs}`);
  }
  const [spec] = specs;
  const shape = spec.shape?.length === 4 ? spec.shape : null;
  const layout = options.layout ?? (isChannels(shape?.[3]) && !isChannels(shape?.[1]) ? "nhwc" : "nchw");
  const [channelAxis, heightAxis, widthAxis] = layout === "nchw" ? [1, 2, 3] : [3, 1, 2];
  const [height, width] = [options.size?.height ?? shape?.[heightAxis], options.size?.width ?? shape?.[widthAxis]];
  if (typeof height !== "number" || typeof width !== "number") {
    throw new OctetError(`${folder}: --size WxH is needed: the model does not say how large its images are`);
  }
  const channels = shape?.[channelAxis] ?? 3;
  if (channels !== 1 && channels !== 3 && typeof channels === "number") {
    throw new OctetError(`${folder}: images have 1 or 3 channels, but the model expects ${formatInput(spec)}`);
  }
  const { mean = [0], std = [1], fit = "cover" } = options;
  return { width, height, channels: channels === 1 ? 1 : 3, layout, mean, std, fit };
}

function isChannels(size: number | string | null | undefined): boolean {
  return size === 1 || size === 3;
}
