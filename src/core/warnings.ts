/** Warnings: sentences for the user that stop nothing. Each is shown once, as Python does by default. */

export type WarningHandler = (message: string) => void;

const shown = new Set<string>();

function showOnce(message: string): void {
  if (shown.has(message)) return;
  shown.add(message);
  console.warn(`octet: ${message}`);
}

let handler: WarningHandler = showOnce;

/** Tells the user something. */
export function warn(message: string): void {
  handler(message);
}

/** Runs `body` with warnings going to `receiver` instead of the console. */
export function withWarnings<T>(receiver: WarningHandler, body: () => T): T {
  const previous = handler;
  handler = receiver;
  try {
    return body();
  } finally {
    handler = previous;
  }
}
