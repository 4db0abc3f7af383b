// A headless Chromium, driven over its DevTools pipe: no port, no package.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
];

/** Starts Chromium with an empty profile and opens a blank tab of that size; `strangers` may show any certificate. */
export async function open({ width = 1200, height = 900, dark = false, strangers = false } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "cloakroom-browser-"));
  const trust = strangers ? ["--ignore-certificate-errors"] : [];
  const child = spawn(process.env.CHROMIUM ?? "chromium", [...FLAGS, ...trust, `--user-data-dir=${profile}`], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const connection = new Connection(child.stdio[3], child.stdio[4]);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  ended.then(() => connection.fail("Chromium has ended"));
  child.once("error", (error) => connection.fail(error.message));
  const { targetId } = await connection.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await connection.send("Target.attachToTarget", { targetId, flatten: true });
  const tab = new Tab(connection, sessionId);
  await tab.send("Page.enable");
  await tab.send("Runtime.enable");
  await tab.send("Log.enable");
  await tab.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
  await tab.send("Emulation.setEmulatedMedia", { features });
  tab.close = async () => {
    await connection.send("Browser.close").catch(() => {});
    await ended;
    rmSync(profile, { recursive: true, force: true });
  };
  return tab;
}

/** JSON messages, each ended by a zero byte, to one pipe and from another. */
class Connection {
  waiting = new Map();
  listeners = [];
  next = 1;

  constructor(to, from) {
    this.to = to;
    let text = "";
    from.setEncoding("utf8");
    from.on("data", (more) => {
      const parts = (text + more).split("\0");
      text = parts.pop();
      for (const part of parts) this.take(JSON.parse(part));
    });
    to.on("error", (error) => this.fail(error.message));
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.next++;
    this.to.write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, method }));
  }

  take(message) {
    const asked = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (asked && message.error) asked.reject(new Error(`${asked.method}: ${message.error.message}`));
    else if (asked) asked.resolve(message.result);
    else for (const listener of this.listeners) listener(message);
  }

  fail(why) {
    for (const { reject } of this.waiting.values()) reject(new Error(why));
    this.waiting.clear();
  }
}

/** A tab. What it complains of (exceptions, a policy that was broken) is collected. */
class Tab {
  complaints = [];

  constructor(connection, session) {
    this.connection = connection;
    this.session = session;
    connection.listeners.push(({ method, params }) => {
      if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.text);
      if (method === "Log.entryAdded" && params.entry.source === "security") this.complaints.push(params.entry.text);
    });
  }

  send(method, params) {
    return this.connection.send(method, params, this.session);
  }

  /** Goes to a page, wherever that leads, and is there when the page's scripts have run. */
  async go(url) {
    await this.value("window.left = true");
    const { errorText } = await this.send("Page.navigate", { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await this.until(`!window.left && document.readyState === "complete"`);
  }

  /** The value of an expression in the page. */
  async value(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression, awaitPromise: true, returnByValue: true, userGesture: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression in the page is true. While a page is being replaced, nothing is. */
  async until(expression) {
    const end = Date.now() + 60_000;
    while (Date.now() < end) {
      if (await this.value(expression).catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`never true: ${expression}\n${await this.value("document.body.innerText")}`);
  }

  /** Clicks in the middle of what a selector finds, with the mouse. */
  async click(selector) {
    const { x, y } = await this.value(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element.scrollIntoView({ block: "center" });
      const box = element.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    })()`);
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
    }
  }

  async picture() {
    const { data } = await this.send("Page.captureScreenshot", { captureBeyondViewport: true });
    return Buffer.from(data, "base64");
  }
}
