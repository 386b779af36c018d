--- Style and script of the HTML report. The policy of the page names both by their SHA-256, so
--- that nothing else can run in it; a spec computes them again.

local page = {}

page.css = [[
:root { color-scheme: light dark; --fg: #1d2129; --dim: #4a5260; --bg: #fff; --soft: #f3f5f8;
  --line: #d4d9e1;
  --link: #1f5fae; --bad: #a3260f; --good: #1b5e94; --warn: #7a5200; }
body { margin: 0; color: var(--fg); background: var(--bg); font: 15px/1.5 system-ui, "Segoe UI",
  Roboto, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 18px 20px 40px; }
h1 { font-size: 22px; line-height: 1.3; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 26px 0 8px; }
h3 { font-size: 15px; margin: 0; overflow-wrap: anywhere; }
p { margin: 3px 0; overflow-wrap: anywhere; }
.dim, .cap { color: var(--dim); }
.cap { font-size: 13px; margin: 8px 0 2px; }
.badge { display: inline-block; border-radius: 5px; padding: 0 8px; font-weight: 650;
  font-size: .8em;
  border: 1px solid currentColor; vertical-align: 2px; white-space: nowrap; }
.badge.regression, .badge.critical, .badge.high { color: var(--bad); }
.badge.improvement { color: var(--good); }
.badge.inconclusive, .badge.medium { color: var(--warn); }
.finding { border: 1px solid var(--line); border-left-width: 4px; border-radius: 6px;
  padding: 10px 14px; margin: 10px 0; }
.finding.bad { border-left-color: var(--bad); }
.finding.better { border-left-color: var(--good); }
.finding .facts { color: var(--dim); }
.num { font-variant-numeric: tabular-nums; }
code, .stack { font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.stack { list-style: none; margin: 6px 0; padding: 6px 10px; background: var(--soft);
  border-radius: 5px; }
.stack li { padding-left: 1.2em; text-indent: -1.2em; }
.stack .node { font-weight: 700; }
.stack .node::before { content: "\25b6 "; }
.stack .above { color: var(--dim); }
.stack .note { color: var(--dim); font-weight: 400; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 4px 0; }
th, td { padding: 3px 18px 3px 0; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td:first-child { overflow-wrap: anywhere; min-width: 12em; }
th { font-weight: 600; color: var(--dim); font-size: 13px; }
td.r, th.r { text-align: right; white-space: nowrap; }
.wide { overflow-x: auto; }
svg.spark { vertical-align: middle; height: 34px; }
svg.spark .a { fill: #8d95a1; } svg.spark .more { fill: #e07f1f; }
  svg.spark .less { fill: #4a8fd0; }
svg.spark .none { fill: #8d95a1; opacity: .5; }
svg.icicle { display: block; min-width: 720px; width: 100%; height: auto; }
svg.icicle text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #000;
  pointer-events: none; }
svg.icicle rect { stroke: #8d95a1; stroke-width: .4; }
svg.icicle rect.dash { stroke: #333; stroke-width: 1; stroke-dasharray: 3 2; }
svg.icicle g.faded { opacity: .45; }
svg.icicle.live g { cursor: pointer; }
svg.icicle g:hover rect, svg.icicle g:focus rect { stroke: #000; stroke-width: 1.5; }
svg.icicle g:focus { outline: none; }
.legend i { display: inline-block; width: 14px; height: 12px; border: 1px solid #0005;
  border-radius: 2px; margin: 0 4px 0 10px; vertical-align: -1px; }
.legend .more { background: #f4a259; } .legend .less { background: #7fb3e6; }
.legend .new { background: #f0e442; border: 1px dashed #333; }
  .legend .same { background: #d5d9e0; }
#zoom { min-height: 1.5em; font-size: 13px; }
#zoom button { font: inherit; color: inherit; background: var(--soft);
  border: 1px solid var(--line); border-radius: 5px; padding: 1px 9px; cursor: pointer; }
a { color: var(--link); }
details { margin: 20px 0 0; }
summary { cursor: pointer; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #e8eaee; --dim: #b3bac6; --bg: #16181d; --soft: #23272f; --line: #3a404b;
  --link: #86b7f2; --bad: #ff9d87; --good: #8cc4ff; --warn: #f0c674; }
}
@media print { #zoom { display: none; } main { max-width: none; padding: 0; } }
]]

page.script = [[
(function () {
  "use strict";
  var charts = [].slice.call(document.querySelectorAll("svg.icicle"));
  var bar = document.getElementById("zoom");
  if (!charts.length || !bar) return;
  var SPACE = 1200, LETTER = 7.3;
  var state = null, HINT = "Click a box to zoom both sides to it, Esc to go back.";
  bar.textContent = HINT;
  charts.forEach(function (svg) {
    svg.classList.add("live");
    svg.boxes = [].slice.call(svg.querySelectorAll("g")).map(function (g) {
      var rect = g.querySelector("rect"), text = g.querySelector("text");
      var title = g.querySelector("title").textContent;
      return { g: g, rect: rect, text: text, label: text ? text.textContent : null,
        name: title.split("\n")[0], title: title, n: g.getAttribute("data-n"),
        d: +g.getAttribute("data-d"), x: +rect.getAttribute("x"), w: +rect.getAttribute("width") };
    });
  });
  function label(box, x, w) {
    var room = Math.floor((w - 6) / LETTER), name = box.name;
    if (name.length > room) name = room < 4 ? "" : "~" + name.slice(1 - room);
    if (!box.text) {
      if (!name) return;
      box.text = document.createElementNS("http://www.w3.org/2000/svg", "text");
      box.text.setAttribute("y", +box.rect.getAttribute("y") + 13);
      box.g.appendChild(box.text);
    }
    box.text.textContent = name;
    box.text.setAttribute("x", x + 3);
  }
  function place(box, x, w) {
    box.rect.setAttribute("x", x.toFixed(2));
    box.rect.setAttribute("width", Math.max(0, w).toFixed(2));
  }
  function show(n) {
    state = n;
    var found = null;
    charts.forEach(function (svg) {
      var focus = null;
      if (n !== null) svg.boxes.forEach(function (b) { if (b.n === n) focus = b; });
      if (focus) found = found || focus;
      svg.boxes.forEach(function (b) {
        var g = b.g;
        g.classList.remove("faded");
        g.removeAttribute("display");
        if (!focus) {
          place(b, b.x, b.w);
          if (b.text) {
            b.text.textContent = b.label === null ? "" : b.label;
            b.text.setAttribute("x", b.x + 3);
          }
          if (n !== null) g.classList.add("faded");
          return;
        }
        var end = focus.x + focus.w, e = 0.006;
        if (b.d < focus.d && b.x <= focus.x + e && b.x + b.w >= end - e) {
          place(b, 0, SPACE); label(b, 0, SPACE); g.classList.add("faded");
        } else if (b.d >= focus.d && b.x >= focus.x - e && b.x + b.w <= end + e) {
          var scale = SPACE / focus.w;
          place(b, (b.x - focus.x) * scale, b.w * scale);
          label(b, (b.x - focus.x) * scale, b.w * scale);
        } else {
          g.setAttribute("display", "none");
        }
      });
    });
    bar.textContent = found ? "" : HINT;
    if (found) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = "Reset zoom";
      button.addEventListener("click", function () { show(null); });
      bar.appendChild(button);
      bar.appendChild(document.createTextNode(" " + found.title.replace("\n", " · ")));
    }
  }
  charts.forEach(function (svg) {
    svg.addEventListener("click", function (event) {
      var g = event.target.closest ? event.target.closest("g") : null;
      if (!g) return;
      var n = g.getAttribute("data-n");
      show(n === state ? null : n);
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && state !== null) show(null);
  });
})();
]]

-- SHA-256 of the two texts above, in base64.
page.css_hash = "8RoTnGIMtdvwpp+yr4WRE49sxx3MX0uAKvfmtFAaAqU="
page.script_hash = "l6H2Q/hzMY8V3gcE+eHDyHJ6sG15q8jA7mfbo6/IGYs="

return page
