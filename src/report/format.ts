/** Numbers as people read them. Everything is English and the same on every machine. */
import { fromDecibels } from "./decibels.ts";
import type { Decibels } from "./report.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Decimal units, three digits: "3.58 MB". */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : threeDigits(value)} ${UNITS[unit]}`;
}

export function formatMs(ms: number): string {
  return `${threeDigits(ms)} ms`;
}

/** "3.8×"; a tenth below ten. */
export function formatRatio(ratio: number): string {
  return Number.isFinite(ratio) ? `${ratio < 10 ? ratio.toFixed(1) : ratio.toFixed(0)}×` : "–";
}

export function formatDecibels(value: Decibels): string {
  const number = fromDecibels(value);
  if (value === "nan") return "not a number";
  if (number === Infinity) return "exact";
  return number === -Infinity ? "−∞ dB" : `${number.toFixed(1).replace("-", "−")} dB`;
}

/** Of a share: 0.984 → "98.4 %". Only what is everything is 100 %, and only nothing 0 %. */
export function formatPercent(share: number): string {
  const percent = 100 * share;
  if (percent < 100 && percent >= 99.95) return "99.9 %";
  if (percent > 0 && percent < 0.05) return "0.1 %";
  return `${percent.toFixed(Number.isInteger(percent) ? 0 : 1)} %`;
}

/** A difference of shares in percentage points, with its sign. */
export function formatPoints(difference: number): string {
  const points = (100 * Math.abs(difference)).toFixed(1);
  const sign = difference < 0 ? "−" : "+";
  return Number(points) === 0 ? "±0.0 points" : `${sign}${points} points`;
}

/** A number of any size, in at most `digits` digits. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
