"use strict";
// Unpacks plotly.js and draws every figure of the page. The policy allows this script and that one, by their digests.
const SETTINGS = { displayModeBar: false, responsive: true };

async function unpack(element) {
  const packed = Uint8Array.from(atob(element.textContent.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function drawAll() {
  const figures = [...document.querySelectorAll(".chart")];
  const packed = document.getElementById("plotly");
  if (figures.length === 0 || packed === null) return;
  const script = document.createElement("script");
  script.textContent = await unpack(packed);
  document.head.append(script);
  // All in one go: whoever prints or photographs the page meanwhile waits for the whole of it.
  const drawn = figures.map((chart) => {
    const figure = JSON.parse(chart.querySelector("script").textContent);
    return Plotly.newPlot(chart.querySelector(".canvas"), figure.data, figure.layout, SETTINGS);
  });
  await Promise.all(drawn);
  const fit = () => figures.forEach((chart) => Plotly.Plots.resize(chart.querySelector(".canvas")));
  window.addEventListener("beforeprint", fit);
  window.addEventListener("afterprint", fit);
}

function followReader() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
    },
    { rootMargin: "-25% 0px -75% 0px" },
  );
  document.querySelectorAll("section[id]").forEach((section) => watch.observe(section));
}

followReader();
drawAll().catch((error) => {
  document.body.classList.add("undrawn");
  console.error(error);
});
