"use strict";

// What is asked about: a person, or somebody new's acts; then what is changed. Places are those before any change.
const asked = { user: null, items: [], without: new Set(), moved: new Map(), words: new Set(), regions: new Map() };
let terms = { item: "item", items: "items", picture: "picture", act: "acted on" };
let models = [];
let reads = {};
let acts = [];
let turn = 0;
let choices = 0; // of a person or somebody new
let adding = Promise.resolve(); // of titles to somebody new's
let missing = "";
let stop = new AbortController(); // of the questions that are under way
const open = new Set(); // recommendations whose reasons are shown, as "model\nitem"

const at = (id) => document.getElementById(id);

function made(name, about = {}, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(about)) {
    if (key === "click") node.addEventListener("click", value);
    else if (key === "class") node.className = value;
    else node.setAttribute(key, value);
  }
  node.append(...inside);
  return node;
}

function drawn(name, about) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(about)) node.setAttribute(key, value);
  return node;
}

async function answer(path, body, signal) {
  const given = body
    ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal }
    : {};
  const response = await fetch(path, given);
  const found = await response.json();
  if (!response.ok) throw new Error(found.error || `the server said ${response.status}`);
  return found;
}

const say = (text) => {
  at("message").textContent = text;
};

function history() {
  const moved = [...asked.moved].map(([place, time]) => ({ place, time }));
  const whose = asked.user === null ? { acts: asked.items.map((item) => ({ item })) } : { user: asked.user };
  return { ...whose, without: [...asked.without], moved };
}

function question(model, more = {}) {
  const regions = reads[model].includes("regions") ? [...asked.regions.values()] : [];
  const words = reads[model].includes("words") ? [...asked.words] : [];
  const muted = { words, regions: regions.map(({ item, number }) => ({ item, number })) };
  return { history: history(), muted, model, ...more };
}

const whole = (time) => (time ? time.slice(0, 16) : "");

function picture(item, large = false) {
  const image = made("img", { src: `/picture?item=${encodeURIComponent(item)}`, alt: "", loading: "lazy" });
  image.addEventListener("error", () => image.remove());
  return made("div", { class: large ? "picture large" : "picture" }, image);
}

// When an act was: another time can be given; what was moved says so, and goes back.
function timeOf(act, place, gone) {
  const known = whole(act.time);
  const time = made("input", { type: "datetime-local", value: whole(asked.moved.get(place)) || known });
  time.setAttribute("aria-label", `when (UTC) ${act.title}`);
  time.disabled = gone;
  const back = made("button", { type: "button", class: "small" }, "Put back its time");
  back.setAttribute("aria-label", `Put back the time of ${act.title}`);
  const mark = made("span", { class: "mark" }, `moved from ${known.replace("T", " ")}`);
  const moved = made("div", { class: "words moved" }, mark, back);
  moved.hidden = !asked.moved.has(place);
  const move = () => {
    if (!time.value) return;
    if (time.value === known) asked.moved.delete(place);
    else asked.moved.set(place, `${time.value}:00Z`);
    moved.hidden = !asked.moved.has(place);
    countPast();
    recommend();
  };
  time.addEventListener("change", move);
  back.addEventListener("click", () => {
    time.value = known;
    time.focus(); // the pressed button goes
    move();
  });
  return [time, moved];
}

function actRow(act, place) {
  const gone = asked.without.has(place);
  const inside = made("div", {}, made("b", {}, act.title));
  if (act.time) inside.append(...timeOf(act, place, gone));
  const toggle = () => {
    if (gone) asked.without.delete(place);
    else asked.without.add(place);
    showPast(place);
    recommend();
  };
  const button = made("button", { type: "button", class: "small take", click: toggle }, gone ? "Put back" : "Take away");
  button.setAttribute("aria-label", `${gone ? "Put back" : "Take away"} ${act.title}`);
  inside.append(button);
  return made("li", { class: gone ? "gone" : "", "data-place": place }, picture(act.item), inside);
}

function countPast() {
  const whose = asked.user === null ? "Somebody new" : asked.user;
  const moved = asked.moved.size ? `, ${asked.moved.size} moved` : "";
  at("past-title").textContent = `What ${whose} ${terms.act}: ${acts.length - asked.without.size} of ${acts.length}${moved}`;
}

function showPast(focus = null) {
  countPast();
  at("adding").hidden = asked.user !== null;
  at("zone").hidden = !acts.some((act) => act.time);
  at("acts").replaceChildren(...acts.map(actRow).reverse());
  const chips = [...asked.words].map((word) => [`word ${word}`, () => asked.words.delete(word)]);
  for (const [key, region] of asked.regions) {
    chips.push([`region ${region.number} of ${region.title}`, () => asked.regions.delete(key)]);
  }
  at("muted").replaceChildren(
    ...chips.map(([name, forget]) => {
      const click = () => {
        forget();
        showPast();
        recommend();
      };
      return made("li", {}, made("button", { type: "button", class: "small", click }, `muted: ${name} ✕`));
    }),
  );
  if (focus !== null) at("acts").querySelector(`[data-place="${focus}"] .take`)?.focus();
}

async function choose(user) {
  choices += 1;
  await past({ user, items: [], without: new Set(), moved: new Map(), words: new Set(), regions: new Map() });
}

// What is asked about from now on, if there is such a history; else all stays as it was, and the message says why.
async function past(wanted) {
  const choice = choices;
  try {
    await ready;
    const whose = wanted.user === null ? { acts: wanted.items.map((item) => ({ item })) } : { user: wanted.user };
    const known = wanted.user !== null || wanted.items.length > 0;
    const found = known ? (await answer("/history", whose)).acts : [];
    if (choice !== choices) return; // somebody else was chosen meanwhile
    acts = found;
  } catch (error) {
    if (choice === choices) say(error.message);
    return;
  }
  if (wanted.without) {
    open.clear();
    missing = "";
  }
  Object.assign(asked, wanted);
  say("");
  showPast();
  recommend();
}

function bar(weight, most) {
  const svg = drawn("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  const long = most ? (100 * Math.abs(weight)) / most : 0;
  svg.append(drawn("rect", { x: 0, y: 0, height: 10, width: long.toFixed(1), class: weight < 0 ? "against" : "" }));
  return made("span", { class: "bar" }, svg);
}

function table(parts, name) {
  const shown = [...parts].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, 6);
  const most = Math.max(...shown.map((part) => Math.abs(part.weight)), 0);
  const rows = shown.map((part) =>
    made("tr", {}, made("th", { scope: "row" }, name(part)), made("td", {}, bar(part.weight, most)), made("td", { class: "figure" }, part.weight.toFixed(3))),
  );
  return made("table", {}, made("tbody", {}, ...rows));
}

function mute(add) {
  add();
  showPast();
  at("muted").querySelector("li:last-child button").focus(); // the pressed button goes with the old reasons
  recommend();
}

const signed = (weight) => weight.toFixed(3);

// What is folded is made when it is unfolded: there may be a thousand buttons in it.
function fold(name, inside) {
  const node = made("details", {}, made("summary", {}, name));
  node.addEventListener("toggle", () => node.open && node.children.length === 1 && node.append(...inside()));
  return node;
}

const heaviestFirst = (some, weight) => [...some].sort((a, b) => Math.abs(weight(b)) - Math.abs(weight(a)));

function wordButtons(words) {
  return made(
    "div",
    { class: "words" },
    ...words.map(([word, weight]) =>
      made("button", { type: "button", class: "small", "aria-label": `Mute the word ${word}`, click: () => mute(() => asked.words.add(word)) }, `${word} ${signed(weight)}`),
    ),
  );
}

// A word is muted wherever it stands, so that its influence is the sum over its places.
function wordReasons(parts) {
  const sums = new Map();
  for (const { label, weight, place } of parts) {
    const [word, sum] = sums.get(label.toLowerCase()) || [label, 0];
    if (place !== null) sums.set(label.toLowerCase(), [word, sum + weight]);
  }
  const all = heaviestFirst([...sums.values()].filter(([, weight]) => weight), ([, weight]) => weight);
  const first = all.filter(([, weight]) => weight > 0).slice(0, 8);
  const said = first.length ? "words that speak for it; press one to mute it" : "no word speaks for it";
  return [made("p", { class: "muted" }, said), wordButtons(first), fold(`all ${all.length} words, those against it too`, () => [wordButtons(all)])];
}

function boxes(parts) {
  const svg = drawn("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const { box, weight } of parts) {
    if (box) svg.append(drawn("rect", { x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1], class: weight < 0 ? "against" : "" }));
  }
  return svg;
}

function regionPicture(shown, places) {
  const title = acts[places[shown[0].place]]?.title || "";
  const frame = picture(shown[0].item, true);
  frame.append(boxes(shown));
  const buttons = shown.map((part) => {
    const region = { item: part.item, number: part.part, title };
    const click = () => mute(() => asked.regions.set(`${part.item}\n${part.part}`, region));
    const about = { type: "button", class: "small", "aria-label": `Mute region ${part.part} of ${title}`, click };
    return made("button", about, `mute region ${part.part} (${signed(part.weight)})`);
  });
  return made("div", { class: "pictured" }, made("p", { class: "muted" }, `${terms.picture} of ${title}`), frame, made("div", { class: "words" }, ...buttons));
}

// The heaviest of the picture that has the heaviest of all; folded, every region of every picture.
function regionReasons(parts, places) {
  const heaviest = heaviestFirst(parts.filter((part) => part.weight && part.place !== null), (part) => part.weight);
  if (!heaviest.length) return [];
  const pictures = new Map();
  for (const part of heaviest) pictures.set(part.item, [...(pictures.get(part.item) || []), part]);
  const [first] = pictures.values();
  const all = () => [...pictures.values()].map((some) => regionPicture(once(some), places));
  return [regionPicture(once(first).slice(0, 3), places), fold(`all regions of ${pictures.size} pictures`, all)];
}

// Of the recommended item itself, where the model reads no history: there is no act in which to mute them.
function ownReasons(over, parts) {
  const sums = summed(parts.map((part) => (over === "word" ? { ...part, label: part.label.toLowerCase() } : part)));
  const node = [made("p", { class: "muted" }, `its own ${OVER[over] || over}`)];
  if (over === "region") {
    const frame = picture(parts[0].item, true);
    frame.append(boxes(heaviestFirst(parts, (part) => part.weight).slice(0, 3)));
    node.push(made("div", { class: "pictured" }, frame));
  }
  return [...node, table(sums, (part) => part.label)];
}

// An item that was acted on twice has its regions twice, and they are muted together.
function once(parts) {
  const sums = new Map();
  for (const part of parts) sums.set(part.part, { ...part, weight: part.weight + (sums.get(part.part)?.weight || 0) });
  return heaviestFirst(sums.values(), (part) => part.weight);
}

// Of parts that are weighed at every act: one sum each.
function summed(parts) {
  const sums = new Map();
  for (const { label, weight } of parts) sums.set(label, (sums.get(label) || 0) + weight);
  return [...sums].map(([label, weight]) => ({ label, weight }));
}

const LEADING = ["history", "word", "region"]; // the order of what is shown first
const OVER = { history: "acts", item_history: "acts of others", word: "words", region: "regions", view: "views", topic: "topics", gate: "gates", item_gate: "gates of others", word_region: "words and regions", category: "categories" };
const OWN = { share: "attention", gate: "gate", signed: "contribution" };

function titled(part, places) {
  const act = part.place === null ? null : acts[places[part.place]];
  return act && act.title !== part.label ? `${part.label} (${act.title})` : part.label;
}

function reasons({ explanation, places }) {
  const node = made("div", { class: "why" }, made("span", { class: "mark used" }, "influence"));
  const order = ({ over }) => (LEADING.includes(over) ? LEADING.indexOf(over) : LEADING.length);
  for (const { over, parts } of [...explanation.influence].sort((a, b) => order(a) - order(b))) {
    if (!parts.length) continue;
    const inside = over === "word" || over === "region";
    if (inside && parts.every((part) => part.place === null)) node.append(...ownReasons(over, parts));
    else if (over === "word") node.append(...wordReasons(parts));
    else if (over === "region") node.append(...regionReasons(parts, places));
    else {
      if (over !== "history") node.append(made("p", { class: "muted" }, OVER[over] || over));
      node.append(table(over === "history" ? parts : summed(parts), (part) => part.label));
    }
  }
  if (!explanation.influence.length) node.append(made("p", { class: "muted" }, "This model reads no history, nor words or regions of what it recommends: no influence can be read from its score."));
  if (explanation.own.length) {
    const own = explanation.own.filter((reading) => reading.parts.length);
    const inside = own.map((reading) =>
      made("div", {}, made("span", { class: "mark" }, `${reading.name || OWN[reading.kind]} over ${OVER[reading.over] || reading.over} · ${reading.faithful ? "used by the score" : "drawn afterwards"}`), table(reading.parts, (part) => titled(part, places))),
    );
    node.append(made("details", {}, made("summary", {}, "The model's own weights"), ...inside));
  }
  return node;
}

async function explain(model, item, row, button) {
  const key = `${model}\n${item}`;
  const [now, { signal }] = [turn, stop];
  if (!open.has(key)) {
    row.querySelector(".why")?.remove();
    button.setAttribute("aria-expanded", "false");
    return;
  }
  try {
    const found = await answer("/explain", question(model, { item }), signal);
    if (now !== turn || !open.has(key)) return;
    row.querySelector(".why")?.remove();
    row.append(reasons(found));
    button.setAttribute("aria-expanded", "true");
  } catch (error) {
    if (signal.aborted) return;
    open.delete(key); // the next press asks again
    say(error.message);
  }
}

function itemRow(model, found) {
  const key = `${model}\n${found.item}`;
  const about = made("div", {}, made("span", {}, made("span", { class: "muted" }, `${found.rank} `), made("b", {}, found.title)), made("span", { class: "muted figure" }, `score ${found.score.toFixed(3)}`));
  if (found.because) about.append(made("span", { class: "because" }, found.because));
  const row = made("div", { class: "item" }, picture(found.item), about);
  const button = made("button", { type: "button", class: "small", "aria-label": `Why ${found.title}?`, "aria-expanded": "false" }, "Why?");
  button.addEventListener("click", () => {
    if (open.has(key)) open.delete(key);
    else open.add(key);
    explain(model, found.item, about, button);
  });
  about.append(button);
  if (open.has(key)) explain(model, found.item, about, button);
  return made("li", {}, row);
}

async function recommend() {
  const now = ++turn;
  stop.abort(); // what was asked before is no longer waited for
  stop = new AbortController();
  const { signal } = stop;
  const columns = models.map((model) => {
    const column = made("section", { class: "model", "data-model": model }, made("h3", {}, model), made("p", { class: "muted" }, "asking …"));
    column.setAttribute("aria-label", model);
    return column;
  });
  if (!acts.length) {
    at("models").replaceChildren();
    return;
  }
  const before = at("models");
  if (!before.children.length) before.replaceChildren(...columns);
  for (const [n, model] of models.entries()) {
    const shown = [made("h3", {}, model)];
    const deaf = [["words", asked.words], ["regions", asked.regions]].filter(([part, some]) => some.size && !reads[model].includes(part));
    if (deaf.length) shown.push(made("p", { class: "muted deaf" }, `reads no ${deaf.map(([part]) => part).join(" and no ")}: nothing of them is muted here`));
    try {
      const found = await answer("/recommend", question(model, { top: 10 }), signal);
      if (now !== turn) return;
      const rows = found.recommendations.map((one) => itemRow(model, one));
      shown.push(rows.length ? made("ol", {}, ...rows) : made("p", { class: "answer" }, "Nothing is left to recommend."));
      if (missing) shown.splice(-1, 0, await whyNot(model, signal));
    } catch (error) {
      shown.push(made("p", { class: "answer" }, error.message));
    }
    if (now !== turn) return;
    columns[n].replaceChildren(...shown);
    if (before.children[n] !== columns[n]) before.children[n].replaceWith(columns[n]);
  }
  before.dataset.turn = now;
}

async function whyNot(model, signal) {
  try {
    const { why_not: found } = await answer("/why_not", question(model, { item: missing, top: 10 }), signal);
    return made("p", { class: "answer" }, made("b", {}, found.title), `: ${found.told}`);
  } catch (error) {
    return made("p", { class: "answer" }, error.message);
  }
}

function later(task, pause = 200) {
  let waiting = 0;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(task, pause);
  };
}

async function suggest(input, list, path, names) {
  try {
    const found = await answer(`${path}?text=${encodeURIComponent(input.value)}`);
    list.replaceChildren(...names(found).map((name) => made("option", { value: name })));
  } catch (error) {
    say(error.message);
  }
}

async function search() {
  const text = at("title").value.trim();
  if (!text) return;
  try {
    const { items } = await answer(`/search?text=${encodeURIComponent(text)}`);
    const buttons = items.map((item) =>
      made("li", {}, made("button", { type: "button", class: "small", click: () => add(item) }, `+ ${item.title}`)),
    );
    at("found").replaceChildren(...buttons);
    say(items.length ? "" : "nothing is called so");
  } catch (error) {
    say(error.message);
  }
}

// One title after the other, however fast they are pressed.
function add(item) {
  const choice = choices;
  adding = adding.then(() => choice === choices && past({ user: null, items: [...asked.items, item.item] }));
}

async function introduced() {
  const about = await answer("/about");
  models = about.models;
  reads = about.reads;
  terms = about.words;
}

const ready = introduced();

async function begin() {
  at("who").addEventListener("submit", (event) => {
    event.preventDefault();
    if (at("user").value.trim()) choose(at("user").value.trim());
  });
  at("new").addEventListener("click", async () => {
    await choose(null);
    at("title").focus();
  });
  at("adding").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  at("why-not").addEventListener("submit", (event) => {
    event.preventDefault();
    missing = at("missing").value.trim();
    recommend();
  });
  at("user").addEventListener("input", later(() => suggest(at("user"), at("people"), "/people", (found) => found.people)));
  at("missing").addEventListener("input", later(() => suggest(at("missing"), at("titles"), "/search", (found) => found.items.map((item) => item.title))));
  try {
    await ready;
    const { people } = await answer("/people?limit=1");
    const typing = document.activeElement === at("user"); // who has begun to type is not written into
    if (choices || typing || at("user").value || !people.length) return;
    at("user").value = people[0];
    await choose(people[0]);
  } catch (error) {
    say(error.message);
  }
}

begin();
