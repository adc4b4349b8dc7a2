/** The version of Octet, as in package.json: what files say that they were written by. */
export const VERSION = "0.1.0";
