// The operators' page in a real browser: it shows nothing without a token, and what names anybody sent stays text.
//   node dashboard.mjs http://127.0.0.1:PORT/ TOKEN [file for a picture]

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { open } from "./chromium.mjs";

const [page, token, picture] = process.argv.slice(2);
const tab = await open();
const text = (id) => tab.value(`document.getElementById(${JSON.stringify(id)}).textContent`);

async function look(token) {
  await tab.value(`document.getElementById("note").textContent = ""`);
  await tab.value(`document.getElementById("token").value = ${JSON.stringify(token)}`);
  await tab.click("button");
  await tab.until(`document.getElementById("note").textContent !== ""`);
}

try {
  await tab.go(page);
  assert.equal(await tab.value(`getComputedStyle(document.querySelector("h1")).fontWeight`), "700");
  await look("a-token-of-nobodys-0123456789");
  assert.match(await text("note"), /^It cannot be shown: /);
  assert.equal(await tab.value(`document.getElementById("board").hidden`), true);
  await look(token);
  await tab.until(`!document.getElementById("board").hidden`);
  if (picture) writeFileSync(picture, await tab.picture());
  assert.match(await text("upstreams"), /app.*not yet/);
  assert.match(await text("routes"), /\/moving\/\*/);
  assert.match(await text("keys"), /ES256/);
  assert.match(await text("readers"), /<b>agent<\/b>/);
  assert.equal(await tab.value(`document.querySelectorAll("#readers b").length`), 0);
  console.log("fine");
} finally {
  await tab.close();
}
