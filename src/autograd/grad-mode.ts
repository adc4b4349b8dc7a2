/** Whether operators record themselves for `backward()`. One process-wide switch, as PyTorch's is per thread. */

let enabled = true;

export function isGradEnabled(): boolean {
  return enabled;
}

/** Turns recording on or off until the next change; prefer {@link noGrad}, which restores it. */
export function setGradEnabled(value: boolean): void {
  enabled = value;
}

/**
 * Runs `body` with recording switched to `value`, and restores the old mode. If `body` returns a promise the mode is
 * restored when it settles; other asynchronous code that runs meanwhile sees the switched mode too.
 */
export function withGradMode<T>(value: boolean, body: () => T): T {
  const previous = enabled;
  enabled = value;
  let pending = false;
  try {
    const result = body();
    if (result instanceof Promise) {
      pending = true;
      return result.finally(() => (enabled = previous)) as T;
    }
    return result;
  } finally {
    if (!pending) enabled = previous;
  }
}

/** Runs `body` without recording (`torch.no_grad`). */
export function noGrad<T>(body: () => T): T {
  return withGradMode(false, body);
}

/** Runs `body` with recording on, inside a {@link noGrad} (`torch.enable_grad`). */
export function enableGrad<T>(body: () => T): T {
  return withGradMode(true, body);
}
