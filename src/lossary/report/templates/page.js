const root = document.documentElement;
const options = { mode: "vega-lite", renderer: "svg", actions: false };
const plots = [...document.querySelectorAll(".plot")];

function specificationOf(plot) {
  return document.getElementById(plot.dataset.specification).textContent;
}

// Legends stand below the charts, in as many columns as the longest label leaves room for.
function legendColumns(width) {
  return Math.max(1, Math.min(6, Math.floor(width / (36 + 7 * longest))));
}

async function draw(plot) {
  const live = plot.querySelector(".live");
  const still = plot.querySelector(".still");
  const specification = JSON.parse(specificationOf(plot));
  specification.config.legend.columns = legendColumns(plot.clientWidth);
  still.hidden = true;
  try {
    await vegaEmbed(live, specification, options);
  } catch (error) {
    live.replaceChildren();
    still.hidden = false;
    throw error;
  }
}

function drawAll() {
  return Promise.all(plots.map(draw)).then(() => { root.dataset.charts = "drawn"; });
}

// Outside the page nothing knows its colours, so that they are filled in.
async function save(id) {
  const colours = getComputedStyle(root);
  const plot = document.querySelector(`#${id} .plot`);
  const text = specificationOf(plot).replace(/var\((--[\w-]+)\)/g, (_, name) => colours.getPropertyValue(name).trim());
  const { view } = await vegaEmbed(document.createElement("div"), { ...JSON.parse(text), width: 760 }, options);
  const link = document.createElement("a");
  link.href = await view.toImageURL("png", 2);
  link.download = `${id}.png`;
  link.click();
  view.finalize();
}

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Some browsers keep the clipboard from pages that are opened as a file.
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
  button.textContent = texts.copied;
  setTimeout(() => { button.textContent = texts.copy; }, 1500);
}

document.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button?.dataset.save) save(button.dataset.save);
  if (button && "copy" in button.dataset) copy(button);
});

matchMedia("(max-width: 640px)").addEventListener("change", drawAll);
drawAll();
