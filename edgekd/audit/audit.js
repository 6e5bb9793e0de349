"use strict";
// Goes through the photos of #config, keeps a decision for each, and saves them as corrections.csv.

const config = JSON.parse(document.getElementById("config").textContent);
const at = (id) => document.getElementById(id);
const storageKey = `edgekd-audit-${config.key}`;
const NONE = config.none;
const SEPARATOR = "|";

/** Decisions by photo: {action, label}; `history` has what each one replaced, for undo. */
const decisions = new Map();
const history = [];
let current = 0;
let saved = true;

const photoNow = () => config.photos[current];
const labelText = (labels) => labels.join(", ") || (config.tags ? NONE : "no label");
const csvLabel = (labels) => labels.join(SEPARATOR) || NONE;

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(storageKey) || "[]");
    const names = new Set(config.photos.map((photo) => photo.name));
    for (const [name, decision] of stored) if (names.has(name)) decisions.set(name, decision);
  } catch {
    // The browser keeps nothing for pages from the disk: decisions last until the page is closed.
  }
}

function store() {
  try {
    localStorage.setItem(storageKey, JSON.stringify([...decisions]));
  } catch {
    // As above: the page asks before it is closed.
    saved = false;
  }
}

/** A cell of a CSV, in quotation marks where it needs them. */
function cell(text) {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv() {
  const rows = [["photo", "action", "label"], ...config.earlier.filter(([name]) => !decisions.has(name))];
  for (const photo of config.photos) {
    const decision = decisions.get(photo.name);
    if (decision) rows.push([photo.name, decision.action, decision.label]);
  }
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function describe(decision) {
  if (!decision) return "none yet";
  if (decision.action === "keep") return "keep";
  return decision.action === "drop" ? "drop the photo" : `change to ${decision.label.replaceAll(SEPARATOR, ", ")}`;
}

function decide(action, label = "", advance = true) {
  const photo = photoNow();
  history.push([current, decisions.get(photo.name)]);
  decisions.set(photo.name, { action, label });
  store();
  const place = current;
  if (advance && current < config.photos.length - 1) current += 1;
  say(`${photo.name}: ${describe(decisions.get(photo.name))}.`, place);
}

/** One class, or in tags mode the tags that the photo has by now with this one turned on or off. */
function choose(name) {
  const photo = photoNow();
  if (!config.tags) {
    const same = photo.labels.length === 1 && photo.labels[0] === name;
    return same ? decide("keep") : decide("change", name);
  }
  const tags = new Set(labelsNow(photo));
  if (!tags.delete(name)) tags.add(name);
  const labels = config.classes.filter((one) => tags.has(one));
  const same = labels.length === photo.labels.length && labels.every((one) => photo.labels.includes(one));
  return same && !photo.unlabelled ? decide("keep", "", false) : decide("change", csvLabel(labels), false);
}

/** The labels of a photo, with its decision. */
function labelsNow(photo) {
  const decision = decisions.get(photo.name);
  if (!decision || decision.action !== "change") return photo.labels;
  if (decision.label === NONE && config.tags) return [];
  return config.tags ? decision.label.split(SEPARATOR) : [decision.label];
}

function accept() {
  const photo = photoNow();
  if (photo.suggested) decide("change", csvLabel(photo.suggested));
}

function undo() {
  const last = history.pop();
  if (!last) return;
  const [place, before] = last;
  const { name } = config.photos[place];
  if (before) decisions.set(name, before);
  else decisions.delete(name);
  store();
  current = place;
  say(`${name}: ${describe(before)} again.`, place);
}

function move(step) {
  current = Math.max(0, Math.min(config.photos.length - 1, current + step));
  say("", current);
}

/** Draws the page again and tells a screen reader what was done and what comes next. */
function say(text, changed) {
  draw();
  drawInList(changed);
  drawInList(current);
  const photo = photoNow();
  at("status").textContent = `${text} Photo ${current + 1} of ${config.photos.length}: ${photo.why}`.trim();
}

function draw() {
  const photo = photoNow();
  const decision = decisions.get(photo.name);
  at("photo").src = photo.source;
  at("photo").alt = `The photo ${photo.name}`;
  at("name").textContent = `${photo.name} (${photo.split})`;
  at("place").textContent = `${current + 1} of ${config.photos.length}`;
  at("left").textContent = `${config.photos.length - decisions.size} left`;
  at("bar").style.width = `${(100 * decisions.size) / config.photos.length}%`;
  at("why").textContent = photo.why;
  at("now").textContent = photo.unlabelled ? "no label" : labelText(photo.labels);
  at("decision").textContent = describe(decision);
  press(at("keep"), decision?.action === "keep");
  press(at("drop"), decision?.action === "drop");
  at("accept").hidden = !photo.suggested;
  at("accept-text").textContent = photo.suggested ? `Change to ${labelText(photo.suggested)}` : "";
  const now = decision?.action === "drop" ? [] : labelsNow(photo);
  for (const button of at("classes").children) press(button, now.includes(button.value));
  at("select").value = "";
  at("previous").disabled = current === 0;
  at("next").disabled = current === config.photos.length - 1;
  at("undo").disabled = history.length === 0;
  const counts = { change: 0, drop: 0, keep: 0 };
  for (const { action } of decisions.values()) counts[action] += 1;
  at("count").textContent =
    `${decisions.size} of ${config.photos.length} photos decided: ${counts.change} to change, ` +
    `${counts.drop} to drop, ${counts.keep} to keep.`;
  at("download").disabled = at("copy").disabled = decisions.size === 0 && config.earlier.length === 0;
  at("text").value = csv();
}

function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

function drawInList(place) {
  const photo = config.photos[place];
  const decision = decisions.get(photo.name);
  for (const [number, item] of [...at("all").children].entries()) {
    item.firstChild.setAttribute("aria-current", String(number === current));
  }
  const button = at("all").children[place].firstChild;
  const text = button.querySelector("span");
  text.textContent = decision ? describe(decision) : photo.unlabelled ? "no label" : labelText(photo.labels);
  text.className = decision ? "done" : "";
  button.setAttribute("aria-label", `Photo ${place + 1}, ${photo.name}: ${text.textContent}`);
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function fillClasses() {
  for (const [number, name] of config.classes.entries()) {
    const key = config.keys[number];
    at("select").append(element("option", { value: name, textContent: name }));
    if (!key) continue;
    const parts = [element("kbd", { textContent: key.toUpperCase(), ariaHidden: "true" })];
    const example = config.examples[number];
    if (example) parts.push(element("img", { src: example, alt: "" }));
    const button = element("button", { type: "button", value: name }, ...parts, element("span", { textContent: name }));
    button.setAttribute("aria-keyshortcuts", key);
    button.addEventListener("click", () => choose(name));
    at("classes").append(button);
  }
  at("select").prepend(element("option", { value: "", textContent: "Choose …" }));
  at("more").hidden = config.classes.length <= config.keys.length;
}

function fillList() {
  for (const [number, photo] of config.photos.entries()) {
    const image = element("img", { src: photo.source, alt: "", loading: "lazy" });
    const button = element("button", { type: "button" }, image, element("span", {}));
    button.addEventListener("click", () => {
      current = number;
      say("", number);
      at("work").scrollIntoView({ block: "start" });
    });
    at("all").append(element("li", {}, button));
    drawInList(number);
  }
}

function download() {
  const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  const link = element("a", { href: address, download: "corrections.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  saved = true;
  at("status").textContent = "corrections.csv is in the folder of downloads.";
}

async function copy() {
  try {
    await navigator.clipboard.writeText(csv());
  } catch {
    at("text").closest("details").open = true;
    at("text").select();
    if (!document.execCommand("copy")) {
      at("status").textContent = "This browser does not let a page copy. The text is selected: copy it yourself.";
      return;
    }
  }
  saved = true;
  at("status").textContent = "The text of corrections.csv is copied.";
}

function onKey(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("select, textarea, input")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const number = config.keys.indexOf(key);
  const actions = {
    k: () => decide("keep"), d: () => decide("drop"), u: undo,
    ArrowLeft: () => move(-1), ArrowRight: () => move(1),
  };
  // On a button Enter presses it.
  if (key === "Enter" && !target.closest("button, summary, a")) actions.Enter = accept;
  const action = actions[key] || (number >= 0 && number < config.classes.length ? () => choose(config.classes[number]) : null);
  if (!action) return;
  event.preventDefault();
  action();
}

if (config.photos.length) {
  read();
  fillClasses();
  fillList();
  at("keep").addEventListener("click", () => decide("keep"));
  at("drop").addEventListener("click", () => decide("drop"));
  at("accept").addEventListener("click", accept);
  at("previous").addEventListener("click", () => move(-1));
  at("next").addEventListener("click", () => move(1));
  at("undo").addEventListener("click", undo);
  at("download").addEventListener("click", download);
  at("copy").addEventListener("click", copy);
  at("select").addEventListener("change", (event) => event.target.value && choose(event.target.value));
  document.addEventListener("keydown", onKey);
  window.addEventListener("beforeunload", (event) => {
    if (!saved) event.preventDefault();
  });
  // The first photo without a decision.
  const open = config.photos.findIndex((photo) => !decisions.has(photo.name));
  current = Math.max(0, open);
  draw();
  drawInList(current);
}
