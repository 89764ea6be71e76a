/** All faces of a photo as a table, with the columns of the server's. */

import { make, percent } from "./tools.js";

/** Return the table. */
export function viewTable(texts, labels, faces) {
  const keys = ["table.face", "table.label", ...labels.map((label) => `emotion.${label}`), "table.sure", "table.detection"];
  const head = make("tr", {}, ...keys.map((key) => make("th", { scope: "col" }, texts.say(key))));
  const rows = faces.map(({ label, probabilities, confident, detection_score: score }, index) => {
    const cells = [
      index + 1,
      texts.say(`emotion.${label}`),
      ...labels.map((name) => percent(probabilities[name])),
      texts.say(confident ? "table.yes" : "table.not_sure"),
      score === null ? "" : percent(score),
    ];
    return make("tr", {}, ...cells.map((cell) => make("td", {}, String(cell))));
  });
  return make("table", {}, make("caption", {}, texts.say("photo.table")), make("thead", {}, head), make("tbody", {}, ...rows));
}
