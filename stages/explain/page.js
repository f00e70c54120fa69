"use strict";
(() => {
  const main = document.querySelector("main");
  const nav = document.querySelector("nav");
  const tools = document.querySelector(".tools");
  const [search, whole] = tools.querySelectorAll("input");
  const sort = tools.querySelector("select");
  const told = tools.querySelector("output");
  const people = [...main.querySelectorAll("article.person")];
  const links = new Map([...nav.children].map((link) => [link.hash.slice(1), link]));
  const titles = new Map(
    people.map((person) => [person, [...person.querySelectorAll("bdi")].map((title) => title.textContent).join("\n").toLowerCase()]),
  );
  const names = new Map(people.map((person) => [person, person.querySelector("h2").textContent]));
  const place = new Map(people.map((person, n) => [person, n]));
  const orders = {
    place: () => 0,
    name: (a, b) => names.get(a).localeCompare(names.get(b)),
    rank: (a, b) => a.dataset.rank - b.dataset.rank,
    acts: (a, b) => b.dataset.acts - a.dataset.acts,
  };
  const named = () => people.find((person) => "#" + person.id === location.hash);
  let current = named() || people[0];

  function found() {
    const asked = search.value.trim().toLowerCase();
    const ordered = [...people].sort((a, b) => orders[sort.value](a, b) || place.get(a) - place.get(b));
    return ordered.filter((person) => titles.get(person).includes(asked));
  }

  function draw() {
    const shown = found();
    if (!shown.includes(current) && shown.length) current = shown[0];
    for (const person of people) {
      const link = links.get(person.id);
      link.hidden = !shown.includes(person);
      person.hidden = link.hidden || !(whole.checked || person === current);
      if (person === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    for (const person of [...shown].reverse()) {
      main.prepend(person);
      nav.prepend(links.get(person.id));
    }
    told.textContent = `${shown.length} of ${people.length} people`;
  }

  function step(by) {
    const shown = found();
    if (!shown.length) return;
    current = shown[(shown.indexOf(current) + by + shown.length) % shown.length];
    history.replaceState(null, "", "#" + current.id);
    draw();
    if (whole.checked) current.scrollIntoView();
  }

  tools.hidden = !people.length;
  tools.addEventListener("submit", (event) => event.preventDefault());
  for (const control of [search, sort, whole]) control.addEventListener("input", draw);
  for (const button of tools.querySelectorAll("button")) button.addEventListener("click", () => step(Number(button.value)));
  addEventListener("hashchange", () => {
    current = named() || current;
    draw();
    current.scrollIntoView();
  });
  if (people.length) draw();
})();
