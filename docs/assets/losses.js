// The table of all losses: search, filter by task and claims, sort by a click on a heading.
const place = document.querySelector(".losses");
if (place) {
  const table = place.querySelector("table");
  const body = table.tBodies[0];
  const rows = [...body.rows].map(row => ({
    row,
    cells: [...row.cells].map(cell => cell.textContent.trim()),
    tasks: row.cells[1].textContent.split(", "),
    claims: row.cells[3].textContent.split(", "),
  }));
  const sorted = values => [...new Set(values)].filter(Boolean).sort();

  const search = Object.assign(document.createElement("input"), { type: "search", placeholder: "Search by name or words" });
  search.setAttribute("aria-label", search.placeholder);
  const task = document.createElement("select");
  task.setAttribute("aria-label", "Task");
  task.append(new Option("All tasks", ""), ...sorted(rows.flatMap(row => row.tasks)).map(name => new Option(name, name)));
  const claims = document.createElement("fieldset");
  claims.setAttribute("aria-label", "Claims");
  claims.append(...sorted(rows.flatMap(row => row.claims)).map(name => {
    const chip = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    chip.setAttribute("aria-pressed", "false");
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") === "false"));
      show();
    });
    return chip;
  }));
  const count = document.createElement("output");
  const form = document.createElement("form");
  form.className = "losses-filter";
  form.append(search, task, count, claims);
  form.addEventListener("submit", event => event.preventDefault());
  place.prepend(form);

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = [...claims.querySelectorAll('[aria-pressed="true"]')].map(chip => chip.textContent);
    let shown = 0;
    for (const { row, cells, tasks, claims } of rows) {
      const text = cells.join(" ").toLowerCase();
      const fits = words.every(word => text.includes(word)) && (!task.value || tasks.includes(task.value))
        && wanted.every(claim => claims.includes(claim));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length}`;
  }

  [...table.tHead.rows[0].cells].slice(0, 2).forEach((heading, column) => {
    heading.setAttribute("aria-sort", column === 0 ? "ascending" : "none");
    heading.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((a, b) => (down ? -1 : 1) * a.cells[column].localeCompare(b.cells[column]));
      body.append(...rows.map(row => row.row));
    });
  });
  search.addEventListener("input", show);
  task.addEventListener("change", show);
  show();
}
