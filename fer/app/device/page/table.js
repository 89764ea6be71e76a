/** Table of all faces of a photo, with the same columns as the server's table. */

import { make, percent } from "./tools.js";

/** Return the table's element. */
export function viewTable(texts, labels, faces) {
  const [left, right] = [["face", "label"], ["sure", "detection"]].map((keys) => keys.map((key) => texts.say(`table.${key}`)));
  const names = [...left, ...labels.map((label) => texts.sayClass(label)), ...right];
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
  const rows = faces.map(({ label, probabilities, confident, detection_score: score }, index) => {
    const cells = [
      index + 1,
      texts.sayClass(label),
      ...labels.map((name) => percent(probabilities[name])),
      texts.say(confident ? "table.yes" : "table.not_sure"),
      score === null ? "" : percent(score),
    ];
    return make("tr", {}, ...cells.map((cell) => make("td", {}, String(cell))));
  });
  return make("table", {}, make("caption", {}, texts.say("photo.table")), make("thead", {}, head), make("tbody", {}, ...rows));
}
