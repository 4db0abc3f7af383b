"use strict";
// Everything that is shown is set as text: names of routes and agents are whatever somebody sent.
const byId = (id) => document.getElementById(id);
let token = "";
let timer = 0;

function fill(id, rows) {
  const lines = rows.map((cells) => {
    const line = document.createElement("tr");
    for (const cell of cells) {
      const [text, mark] = Array.isArray(cell) ? cell : [cell, ""];
      const field = document.createElement("td");
      field.textContent = text ?? "-";
      field.className = mark;
      line.append(field);
    }
    return line;
  });
  byId(id).replaceChildren(...lines);
}

async function ask(path) {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.json()).detail ?? `${answer.status}`);
  return answer.json();
}

/** A time of RFC 3339 as people read it, to the second. */
function brief(time) {
  return time ? time.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC") : "-";
}

function share(part) {
  return part === null || part === undefined ? "nothing yet" : `${(part * 100).toFixed(1)} %`;
}

function rollout(plan) {
  if (!plan) return "-";
  const back = plan.went_back ? `; went back: ${plan.went_back}` : "";
  return [`${plan.share} since ${brief(plan.since)}; the others at ${plan.rest}${back}`, back ? "bad" : ""];
}

async function look() {
  try {
    const [migration, ring] = [await ask("/api/migration"), await ask("/api/keys")];
    fill("upstreams", migration.upstreams.map((one) => [
      one.upstream,
      share(one.on_tokens),
      one.safe_without_cookie ? ["safe: forward_cookie = false", "good"] : ["not yet", "bad"],
      one.because.join("; ").replaceAll("`", ""),
    ]));
    fill("routes", migration.routes.map((one) => [
      one.route, one.upstream, one.state, one.with_token, one.with_cookie, one.with_neither, one.refused, rollout(one.rollout),
    ]));
    fill("keys", ring.keys.map((one) => [one.kid, one.algorithm, one.phase, brief(one.signs_from ?? one.published_at), brief(one.next_at)]));
    const signs = ring.keys.filter((one) => one.phase === "signs").map((one) => one.kid);
    fill("readers", ring.readers.map((one) => [
      one.client, one.agent, brief(one.fetched_at), signs.every((kid) => one.knows.includes(kid)) ? ["yes", "good"] : ["no", "bad"],
    ]));
    const whose = ring.readers_of === "all" ? "all gateways" : "this gateway";
    byId("note").textContent = `As of ${brief(ring.now)}: counted by this gateway since ${brief(migration.since)}; the key set as fetched from ${whose}.`;
    byId("board").hidden = false;
    timer = setTimeout(look, 5000);
  } catch (error) {
    byId("note").textContent = `It cannot be shown: ${error.message}`;
  }
}

byId("who").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  token = byId("token").value.trim();
  look();
});
