/**
 * A folder of images as samples: decoded and resized by sharp, an optional package that is loaded when it is needed.
 * Pixels become `(value / 255 - mean) / std` in float32, as torchvision's ToTensor and Normalize do it.
 */
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Sharp } from "sharp";
import { float32 } from "../../core/dtype.ts";
import { OctetError } from "../../core/errors.ts";
import type { Choice, DataItem } from "../../data/source.ts";
import { DataSource } from "../../data/source.ts";
import { Tensor } from "../../tensor/tensor.ts";

export interface ImageOptions {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** 3 for RGB, 1 for gray. Transparency is dropped. */
  readonly channels: 1 | 3;
  readonly layout: "nchw" | "nhwc";
  /** One number per channel, or one for all; of values from 0 to 1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** How an image of other proportions is resized: cut off to cover the size, or shrunk and padded with black. */
  readonly fit: "cover" | "contain";
}

const EXTENSIONS = [".png", ".jpg", ".jpeg"];

type OpenImage = (input: string, options?: { failOn?: "error" }) => Sharp;

/** The images in the folder and the folders in it, by name. */
export async function imageSource(folder: string, options: ImageOptions): Promise<DataSource> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => EXTENSIONS.includes(path.extname(name).toLowerCase()) && !path.basename(name).startsWith("."))
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile())
    .sort((a, b) => (a < b ? -1 : 1));
  if (!files.length) throw new OctetError(`${folder} has no images (${EXTENSIONS.join(", ")})`);
  for (const key of ["mean", "std"] as const) {
    const count = options[key].length;
    if (count !== 1 && count !== options.channels) {
      throw new OctetError(`--${key} has ${count} numbers, but the images have ${options.channels} channels`);
    }
  }
  if (options.std.some((value) => !(value > 0)))
    throw new OctetError(`--std must be above 0, got ${options.std.join()}`);
  return new ImageSource(folder, files, options, await loadSharp());
}

async function loadSharp(): Promise<OpenImage> {
  try {
    return (await import("sharp")).default;
  } catch (error) {
    throw new OctetError("a folder of images needs the package sharp: npm install sharp", { cause: error });
  }
}

class ImageSource extends DataSource {
  readonly title: string;
  readonly names: readonly string[] = [""];
  private readonly files: readonly string[];
  private readonly options: ImageOptions;
  private readonly open: OpenImage;

  constructor(folder: string, files: readonly string[], options: ImageOptions, open: OpenImage) {
    super();
    this.title = folder;
    this.files = files;
    this.options = options;
    this.open = open;
  }

  get length(): number {
    return this.files.length;
  }

  async *items(choose: (position: number) => Choice): AsyncGenerator<DataItem> {
    for (const [index, file] of this.files.entries()) {
      const choice = choose(index);
      if (choice === "stop") return;
      if (choice === "skip") continue;
      const pixels = await readPixels(this.open, file, this.options);
      yield { index, where: `${file} (sample ${index})`, inputs: new Map([["", normalize(pixels, this.options)]]) };
    }
  }
}

/** Bytes of [height, width, channels]. */
async function readPixels(open: OpenImage, file: string, options: ImageOptions): Promise<Uint8Array> {
  const { width, height, channels, fit } = options;
  try {
    const upright = open(file, { failOn: "error" }).rotate().removeAlpha();
    const resized = upright.resize(width, height, { fit, kernel: "linear", background: "#000000" });
    const colored = channels === 1 ? resized.toColourspace("b-w") : resized.toColourspace("srgb");
    return await colored.raw({ depth: "uchar" }).toBuffer();
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split(/[\r\n]+/, 1);
    throw new OctetError(`${file} cannot be read as an image: ${reason}`, { cause: error });
  }
}

function normalize(pixels: Uint8Array, options: ImageOptions): Tensor {
  const { width, height, channels, layout, mean, std } = options;
  const area = width * height;
  const data = new Float32Array(area * channels);
  for (let channel = 0; channel < channels; channel++) {
    const [shift, scale] = [mean, std].map((values) => values[values.length === 1 ? 0 : channel]);
    for (let pixel = 0; pixel < area; pixel++) {
      const at = layout === "nchw" ? channel * area + pixel : pixel * channels + channel;
      data[at] = (pixels[pixel * channels + channel] / 255 - shift) / scale;
    }
  }
  const shape = layout === "nchw" ? [1, channels, height, width] : [1, height, width, channels];
  return Tensor.fromArray(data, shape, float32);
}
