"use strict";
(() => {
  document.documentElement.classList.add("js");
  const list = document.getElementById("tables");
  if (!list) return;
  const rows = Array.from(list.children, (element) => ({
    element,
    name: element.querySelector(".name bdi").textContent,
    search: Array.from(element.querySelector(".name").children, (part) => part.textContent)
      .join(" ").toLowerCase(),
    keys: element.dataset.keys.split(",").map(Number),
  }));
  const search = document.getElementById("search");
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const collator = new Intl.Collator("en", { numeric: true });

  function show() {
    const wanted = search.value.trim().toLowerCase();
    let number = 0;
    for (const row of rows) {
      const fits = row.search.includes(wanted)
        && (!filter.value || row.element.dataset.state === filter.value);
      row.element.hidden = !fits;
      number += fits;
    }
    shown.textContent = number === rows.length ? "" : `${number} of ${rows.length} tables`;
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
    list.append(...rows.map((row) => row.element));
  }

  function fold(open) {
    for (const row of rows) if (!open || !row.element.hidden) row.element.open = open;
  }

  function follow() {
    const row = rows.find((each) => `#${each.element.id}` === location.hash);
    if (!row) return;
    if (row.element.hidden) {
      search.value = filter.value = "";
      show();
    }
    row.element.open = true;
    row.element.scrollIntoView();
  }

  search.addEventListener("input", show);
  filter.addEventListener("change", show);
  document.getElementById("open").addEventListener("click", () => fold(true));
  document.getElementById("close").addEventListener("click", () => fold(false));
  for (const button of document.querySelectorAll(".head button")) {
    button.addEventListener("click", () => sort(button));
  }
  document.querySelector(".controls").hidden = false;
  window.addEventListener("hashchange", follow);
  show();
  follow();
})();
