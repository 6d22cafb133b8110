// Reads cards as JSON (a list) from the file that is named, and says what the official library finds wrong with each.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [, , modules, file] = process.argv;
const AdaptiveCards = createRequire(`${modules}/`)("adaptivecards/dist/adaptivecards.js");
const found = [];
for (const json of JSON.parse(readFileSync(file, "utf8"))) {
  delete json.msteams; // of Teams, not of the schema
  const context = new AdaptiveCards.SerializationContext(AdaptiveCards.Versions.v1_5);
  const card = new AdaptiveCards.AdaptiveCard();
  card.parse(json, context);
  for (let i = 0; i < context.eventCount; i++) found.push(context.getEventAt(i).message);
  found.push(...card.validateProperties().validationEvents.map((event) => event.message));
  // What the library did not understand it leaves out when it writes the card again.
  const left = JSON.stringify(card.toJSON());
  for (const word of ["RichTextBlock", "Action.Execute", "Action.ShowCard", "Action.OpenUrl", "Input.Text"]) {
    const count = (text) => text.split(`"${word}"`).length - 1;
    if (count(left) !== count(JSON.stringify(json))) found.push(`lost: ${word}`);
  }
}
console.log(JSON.stringify(found));
