/** Options that several commands share, and their parsers. */
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { DataOptions } from "./data/open.ts";

/** What {@link addDataOptions} gives a command. */
export interface DataFlags extends DataOptions {
  readonly data: string;
  /** At most so many samples. */
  readonly limit?: number;
}

export function addDataOptions(command: Command, { required = true } = {}): Command {
  const data = new Option(
    "--data <path>",
    "inputs: .npz, .npy, .safetensors (first axis: samples), .jsonl, a folder of images, or a module (.mjs, which is run)",
  );
  return command
    .addOption(data.makeOptionMandatory(required))
    .option("--limit <count>", "use at most so many samples", parseCount)
    .option("--size <WxH>", "images: resize to so many pixels; default: what the model expects", parseSize)
    .option(
      "--mean <numbers>",
      "images: subtract, per channel, from values of 0 to 1 (0.485,0.456,0.406)",
      parseNumbers,
    )
    .option("--std <numbers>", "images: divide by, per channel", parseNumbers)
    .addOption(new Option("--layout <order>", "images: order of the axes").choices(["nchw", "nhwc"]))
    .addOption(
      new Option("--fit <how>", "images: cut off what is too long, or pad with black").choices(["cover", "contain"]),
    );
}

/** A whole number of at least 1. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < 1) {
    throw new InvalidArgumentError("Expected a whole number of at least 1.");
  }
  return count;
}

/** `1/4`: the first of four shards. */
export function parseShard(text: string): { readonly number: number; readonly count: number } {
  const [, number, count] = (/^(\d{1,9})\/(\d{1,9})$/.exec(text) ?? []).map(Number);
  if (!(number >= 1 && number <= count))
    throw new InvalidArgumentError("Expected i/n with i from 1 to n, such as 1/4.");
  return { number, count };
}

export function parseSize(text: string): { readonly width: number; readonly height: number } {
  const [, width, height] = (/^(\d{1,5})x(\d{1,5})$/.exec(text) ?? []).map(Number);
  if (!(width >= 1 && height >= 1)) throw new InvalidArgumentError("Expected width and height, such as 224x224.");
  return { width, height };
}

/** Numbers with commas between them. */
export function parseNumbers(text: string): number[] {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!numbers.every(Number.isFinite)) throw new InvalidArgumentError("Expected numbers with commas between them.");
  return numbers;
}
