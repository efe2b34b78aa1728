// What is done to a finished block after it was rendered: colours and formulas.

import { colour } from "./colours.js";
import { typeset } from "./math.js";

export function decorate(block) {
  colour(block);
  typeset(block);
}
