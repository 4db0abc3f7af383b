// The way through the demo's page that its three numbered steps suggest, in a real browser.
//   node click_path.mjs http://127.0.0.1:PORT/ [directory for pictures [width [dark]]]

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { open } from "./chromium.mjs";

const [page, pictures, width, dark] = process.argv.slice(2);
const tab = await open({ width: Number(width ?? 1200), dark: dark === "dark" });

async function picture(name) {
  if (pictures) writeFileSync(join(pictures, `${name}.png`), await tab.picture());
}
const text = (id) => tab.value(`document.getElementById(${JSON.stringify(id)}).textContent`);

async function call(service, status) {
  await tab.value(`delete document.getElementById("answer").dataset.status`);
  await tab.click(`[data-call=${service}]`);
  await tab.until(`document.getElementById("answer").dataset.status === "${status}"`);
}

async function log_in(user) {
  await tab.click(`[value=${user}]`);
  await tab.until(`document.getElementById("who").textContent.toLowerCase() === "you, as ${user}"`);
}

/** What a service learned, from the page. */
async function learned(service, user) {
  await call(service, 200);
  const token = await text("token");
  assert.match(token, new RegExp(`"sub": "${user}"`));
  assert.match(token, new RegExp(`"aud": "${service}"`));
  assert.match(await text("answer-note"), /Cookie seen: no/);
}

try {
  await tab.go(page);
  await tab.until(`document.getElementById("holds").textContent !== ""`);
  await picture("1-nobody");
  await call("orders", 401);
  assert.match(await text("body"), /login-required/);
  await picture("2-refused");

  await log_in("alice");
  assert.equal(await tab.value("document.cookie"), "", "JavaScript cannot read the cookie");
  await picture("3-alice");
  await learned("orders", "alice");
  await picture("4-orders");
  await learned("invoices", "alice");
  const fingerprint = (await tab.value(`fetch("/me").then((me) => me.json())`)).cookie.fingerprint;
  assert.ok((await text("token")).includes(fingerprint), "page and token name the session alike");

  await log_in("bob");
  await learned("invoices", "bob");

  await tab.click("#logout button");
  await tab.until(`document.getElementById("who").textContent === "You, nobody"`);
  await call("invoices", 401);
  assert.match(await text("body"), /login-required/);
  assert.match(await text("answer-note"), /application\/problem\+json/);
  await picture("5-logged-out");

  // A navigation is sent to the login page instead, and from there back to where it was going.
  await tab.go(new URL("/api/orders/?page=2", page).href);
  await tab.until(`location.pathname === "/login" && document.getElementById("holds").textContent !== ""`);
  await tab.click("[value=bob]");
  await tab.until(`location.pathname + location.search === "/api/orders/?page=2"`);
  await tab.until(`document.body.innerText.includes('"sub": "bob"')`);

  assert.deepEqual(tab.complaints, []);
  console.log("ok");
} finally {
  await tab.close();
}
