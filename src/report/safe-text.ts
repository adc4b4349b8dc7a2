/** Names come from files of strangers: what they must not do to a terminal or a page. */

/** Control characters, and those that turn the direction of text: a name could move the cursor or hide what follows. */
// eslint-disable-next-line no-control-regex -- these are what it is about
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** On one line, without control characters. */
export function plainText(text: string): string {
  return text.replace(CONTROLS, "\u{fffd}");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For HTML text and quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(CONTROLS_BUT_NEWLINE, "\u{fffd}").replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

// eslint-disable-next-line no-control-regex -- as above
const CONTROLS_BUT_NEWLINE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** JSON that may stand inside a script element: it cannot close the element, nor open a comment. */
export function jsonForScript(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
