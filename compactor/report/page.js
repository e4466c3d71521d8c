"use strict";
(() => {
  document.documentElement.classList.add("js");
  const list = document.getElementById("tables");
  if (!list) return;
  const PAGE = 100;  // rows that are elements at the same time: more make sorting and typing slow
  const byId = (id) => document.getElementById(id);
  const numbers = (text) => (text ? text.split(",").map(Number) : []);

  const rows = Array.from(list.children, (element) => ({
    element,
    id: element.id,
    name: element.querySelector(".name bdi").textContent,
    search: Array.from(element.querySelector(".name").children, (part) => part.textContent)
      .join(" ").toLowerCase(),
    state: element.dataset.state,
    keys: numbers(element.dataset.keys),
    kinds: numbers(element.dataset.kinds),
  }));
  const data = byId("rows");
  if (data) {
    for (const [id, name, search, state, keys, kinds, html] of JSON.parse(data.textContent)) {
      rows.push({ element: null, id, name, search, state, keys, kinds, html });
    }
    data.remove();
  }

  const search = byId("search");
  const filter = byId("filter");
  const kind = byId("kind");
  const collator = new Intl.Collator("en", { numeric: true });
  const frame = document.createElement("template");
  let fitting = rows;
  let first = 0;

  function element(row) {
    if (!row.element) {
      frame.innerHTML = row.html;  // escaped where the page was made, like the rest of it
      row.element = frame.content.firstElementChild;
      row.html = "";
    }
    return row.element;
  }

  function shown() {
    return fitting.slice(first, first + PAGE);
  }

  function draw() {
    list.replaceChildren(...shown().map(element));
    byId("shown").textContent = fitting.length === rows.length ? ""
      : `${fitting.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
    document.querySelector(".pager").hidden = fitting.length <= PAGE;
    byId("range").textContent = `${(first + 1).toLocaleString("en")} to `
      + `${Math.min(first + PAGE, fitting.length).toLocaleString("en")} of `
      + fitting.length.toLocaleString("en");
    byId("previous").disabled = first === 0;
    byId("next").disabled = first + PAGE >= fitting.length;
  }

  function choose() {
    const wanted = search.value.trim().toLowerCase();
    const state = filter.value;
    const finding = kind && kind.value !== "" ? Number(kind.value) : null;
    fitting = rows.filter((row) => row.search.includes(wanted)
      && (!state || row.state === state)
      && (finding === null || row.kinds.includes(finding)));
    first = 0;
    draw();
  }

  function sort(button) {
    const key = button.dataset.sort;
    const upFirst = key === "name" || key === "0";
    const last = button.getAttribute("data-order");
    const up = last ? last === "descending" : upFirst;
    for (const other of button.parentElement.children) other.removeAttribute("data-order");
    button.setAttribute("data-order", up ? "ascending" : "descending");
    rows.sort((a, b) => {
      const order = key === "name" ? collator.compare(a.name, b.name) : a.keys[key] - b.keys[key];
      return (up ? order : -order) || a.keys[0] - b.keys[0];
    });
    choose();
  }

  function fold(open) {
    for (const row of open ? shown() : rows) if (row.element) row.element.open = open;
  }

  function turn(by) {
    first += by;
    draw();
    document.querySelector(".list").scrollIntoView();
  }

  function follow() {
    const row = rows.find((each) => `#${each.id}` === location.hash);
    if (!row) return;
    if (!fitting.includes(row)) {
      search.value = filter.value = "";
      if (kind) kind.value = "";
      choose();
    }
    const place = fitting.indexOf(row);
    first = place - place % PAGE;
    draw();
    row.element.open = true;
    row.element.scrollIntoView();
  }

  search.addEventListener("input", choose);
  for (const one of [filter, kind]) if (one) one.addEventListener("change", choose);
  byId("open").addEventListener("click", () => fold(true));
  byId("close").addEventListener("click", () => fold(false));
  byId("previous").addEventListener("click", () => turn(-PAGE));
  byId("next").addEventListener("click", () => turn(PAGE));
  for (const button of document.querySelectorAll(".head button")) {
    button.addEventListener("click", () => sort(button));
  }
  document.querySelector(".controls").hidden = false;
  window.addEventListener("hashchange", follow);
  choose();
  follow();
})();
