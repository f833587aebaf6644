"use strict";
// Without this script the page is complete; with it, the table of results can be sorted, filtered and turned into
// differences, commands can be copied, and the theme can be chosen.
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  const theme = document.getElementById("theme");
  if (theme) {
    const root = document.documentElement;
    theme.value = root.dataset.theme || "auto";
    theme.closest(".tools").hidden = false;
    theme.addEventListener("change", () => {
      if (theme.value === "auto") delete root.dataset.theme;
      else root.dataset.theme = theme.value;
      try {
        if (theme.value === "auto") localStorage.removeItem("fovea-theme");
        else localStorage.setItem("fovea-theme", theme.value);
      } catch (e) { /* a browser may refuse to remember */ }
    });
  }

  // Whatever a link leads to is shown, also within something folded.
  const reveal = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    let folded = false;
    for (let e = target; e; e = e.parentElement) {
      if (e.tagName === "DETAILS" && !e.open) { e.open = true; folded = true; }
    }
    if (folded) target.scrollIntoView();
    all("tr.target").forEach((row) => row.classList.remove("target"));
    if (target.tagName === "TR") target.classList.add("target");
  };
  addEventListener("hashchange", reveal);
  // A second click on the same link changes no hash.
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) reveal();
  });
  reveal();

  // Before printing, everything is unfolded that fits on some pages.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    const folded = all("details:not([open])");
    if (all("table.trials tbody tr").length > 200) return;
    unfolded = folded;
    folded.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => { unfolded.forEach((details) => { details.open = false; }); unfolded = []; });

  // A region that does not scroll needs no place among those that the tabulator key visits.
  const regions = all(".scroll");
  const settle = () => regions.forEach((region) => {
    const scrolls = region.scrollWidth > region.clientWidth + 1;
    if (scrolls) region.tabIndex = 0; else region.removeAttribute("tabindex");
  });
  if (typeof ResizeObserver === "function") {
    const observer = new ResizeObserver(settle);
    regions.forEach((region) => observer.observe(region));
  }
  settle();

  const said = document.createElement("p");
  said.className = "skip";
  said.setAttribute("role", "status");
  document.body.append(said);
  const copy = async (code, button) => {
    let done = false;
    try { await navigator.clipboard.writeText(code.textContent); done = true; } catch (e) { /* not allowed here */ }
    if (!done) {
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      try { done = document.execCommand("copy"); } catch (e) { /* the words stay selected */ }
    }
    button.textContent = done ? "copied" : "selected";
    said.textContent = done ? "Command copied" : "Command selected: copy it with the keyboard";
    setTimeout(() => { button.textContent = "copy"; said.textContent = ""; }, 1500);
  };
  const offer = (root) => all("code.copy", root).forEach((code) => {
    if (code.nextElementSibling && code.nextElementSibling.classList.contains("copied")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copied";
    button.textContent = "copy";
    button.setAttribute("aria-label", "Copy " + code.textContent);
    button.addEventListener("click", () => copy(code, button));
    code.after(button);
  });
  // Thousands of buttons in what is folded would cost seconds.
  all("details.variant").forEach((details) => details.addEventListener("toggle", () => { offer(details); settle(); }));
  all("code.copy").filter((code) => !code.closest("details.variant:not([open])")).forEach((code) => offer(code.parentElement));

  const table = document.getElementById("leaderboard");
  const controls = document.getElementById("controls");
  if (!table || !controls) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  const shown = document.getElementById("shown");
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  let order = { column: -1, direction: "none" };

  const differences = () => table.classList.contains("differences");
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!heads[column].classList.contains("number")) return cell.textContent.trim();
    const held = differences() && cell.dataset.delta !== undefined ? cell.dataset.delta : cell.dataset.value;
    if (differences() && cell.dataset.delta === undefined && cell.querySelector(".delta")) return null;
    return held === undefined ? null : Number(held);
  };
  const sort = () => {
    const { column, direction } = order;
    heads.forEach((head, place) => head.setAttribute("aria-sort", place === column ? direction : "none"));
    if (direction === "none") { body.append(...rows); return; }
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = rows.map((row, place) => ({ row, place, key: key(row, column) }));
    keyed.sort((a, b) => {
      // Whatever has no number comes last, either way.
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place;
      const by = typeof a.key === "number" ? a.key - b.key : words.compare(a.key, b.key);
      return sign * by || a.place - b.place;
    });
    body.append(...keyed.map((entry) => entry.row));
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    const [first, second] = head.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
    button.addEventListener("click", () => {
      const now = order.column === column ? order.direction : "none";
      order = { column, direction: now === "none" ? first : now === first ? second : "none" };
      sort();
    });
  });

  const text = document.getElementById("filter-text");
  const status = document.getElementById("filter-status");
  const axes = all("select[data-axis]", controls);
  const filter = () => {
    const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const name = (row.dataset.name + " " + row.textContent).toLowerCase();
      const values = JSON.parse(row.dataset.axes);
      const fits = wanted.every((word) => name.includes(word))
        && axes.every((select) => !select.value || values[Number(select.dataset.axis)] === select.value)
        && (!status || !status.value || row.dataset.status.split(" ").includes(status.value));
      row.hidden = !fits;
      count += fits;
    }
    const narrowed = wanted.length > 0 || axes.some((select) => select.value) || (status && status.value);
    shown.textContent = narrowed ? `${count} of ${rows.length} rows shown` : "";
  };
  const show = () => {
    const chosen = controls.querySelector("input[name=show]:checked");
    table.classList.toggle("differences", chosen !== null && chosen.value === "differences");
    all(".differences-note").forEach((note) => { note.hidden = !differences(); });
    sort();
  };
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", (event) => { if (event.target.name === "show") show(); else filter(); });
  controls.addEventListener("reset", () => setTimeout(() => {
    order = { column: -1, direction: "none" };
    filter();
    show();
  }));
  controls.reset();
  controls.hidden = false;
  sort();
  settle();
})();
