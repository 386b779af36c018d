(function () {
"use strict";
var XHTML = "http://www.w3.org/1999/xhtml", SVG = "http://www.w3.org/2000/svg";
var ROW = 18, CANVAS = 20000, TABLE = 500, EDGE = "#8d95a1";
var dark = window.matchMedia ? matchMedia("(prefers-color-scheme: dark)") : { matches: false };

function make(space, tag, attributes, children) {
  var e = document.createElementNS(space, tag), k, i;
  for (k in attributes || {}) {
    if (k === "text") e.textContent = attributes[k];
    else if (k.slice(0, 2) === "on") e.addEventListener(k.slice(2), attributes[k]);
    else if (attributes[k] !== null && attributes[k] !== undefined) e.setAttribute(k, attributes[k]);
  }
  for (i = 0; i < (children || []).length; i++) if (children[i]) e.appendChild(children[i]);
  return e;
}
function h(tag, attributes, children) { return make(XHTML, tag, attributes, children); }
function s(tag, attributes, children) { return make(SVG, tag, attributes, children); }
function empty(e) { while (e.firstChild) e.removeChild(e.firstChild); return e; }

/* Control characters become pictures of them; what turns the direction of text is named. */
function shown(name) {
  return name.replace(/[\u0000-\u001f\u007f]/g, function (c) {
    return String.fromCharCode(c === "\u007f" ? 0x2421 : 0x2400 + c.charCodeAt(0));
  }).replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, function (c) {
    return "\u27e8U+" + c.charCodeAt(0).toString(16).toUpperCase() + "\u27e9";
  });
}

/* ---- numbers ---- */

function digits(x) {
  var a = Math.abs(x);
  if (a === 0) return "0";
  if (a >= 1e6) return x.toPrecision(4);
  return x.toFixed(a < 0.01 ? 4 : a < 0.1 ? 3 : a < 10 ? 2 : 1);
}
function grouped(x) {
  var t = Math.round(x) === x || Math.abs(x) >= 100 ? String(Math.round(x)) : digits(x);
  return t.indexOf("e") >= 0 ? t : t.replace(/^(-?\d+)/, function (w) {
    return w.replace(/\B(?=(\d{3})+$)/g, ",");
  });
}
var TIMES = [[86400e9, "d"], [3600e9, "h"], [60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "us"]];
var SIZES = [[1099511627776, "TiB"], [1073741824, "GiB"], [1048576, "MiB"], [1024, "KiB"]];
var PER = { nanoseconds: 1, microseconds: 1e3, milliseconds: 1e6, seconds: 1e9 };
function quantity(v, unit) {
  var i, a, list = null, last = unit || "";
  if (PER[unit]) { v *= PER[unit]; list = TIMES; last = "ns"; }
  else if (unit === "bytes") { list = SIZES; last = "B"; }
  a = Math.abs(v);
  for (i = 0; list && i < list.length; i++)
    if (a >= list[i][0]) return digits(v / list[i][0]) + " " + list[i][1];
  return grouped(v) + (last === "" || last === "count" ? "" : " " + last);
}
function percent(x) { var p = 100 * x; return (Math.abs(p) < 0.1 && p !== 0 ? p.toFixed(2) : p.toFixed(1)) + "%"; }

/* ---- trees: nodes in level order, children contiguous; S selfs and W totals by side ---- */

function finish(T) {
  var k, i, W;
  T.W = [];
  for (k = 0; k < T.S.length; k++) {
    W = Float64Array.from(T.S[k]);
    for (i = T.n - 1; i > 0; i--) W[T.parent[i]] += W[i];
    T.W.push(W);
  }
  T.levels = T.n ? T.level[T.n - 1] + 1 : 0;
  return T;
}

function decode(D) {
  var n = D.frame.length, next = 1, i, c, T;
  T = { n: n, frame: Int32Array.from(D.frame), parent: new Int32Array(n), first: new Int32Array(n + 1),
    level: new Int32Array(n), S: [Float64Array.from(D.self)], group: null };
  if (D.after) T.S.push(Float64Array.from(D.after));
  for (i = 0; i < n; i++) {
    T.first[i] = next;
    for (c = next + D.children[i]; next < c; next++) { T.parent[next] = i; T.level[next] = T.level[i] + 1; }
  }
  T.first[n] = next;
  return finish(T);
}

function start(block, number) {
  var D = JSON.parse(block.textContent);
  var F = { name: [], file: [], line: [], pack: [], cls: [] }, i, k;
  for (i = 0; i < D.frames.length; i += 5) {
    F.name.push(D.frames[i]); F.file.push(D.frames[i + 1]); F.line.push(D.frames[i + 2]);
    F.pack.push(D.frames[i + 3]); F.cls.push(D.frames[i + 4]);
  }
  var T0 = decode(D), K = T0.S.length, diff = K === 2;
  var byName = D.sort === "name";
  var otherFrame = new Uint8Array(F.name.length);
  for (i = 0; D.cut && i < F.name.length; i++) otherFrame[i] = i > 0 && D.names[F.name[i]] === "other" ? 1 : 0;
  for (i = 1; i < T0.n; i++) if (T0.first[i + 1] > T0.first[i]) otherFrame[T0.frame[i]] = 0;
  otherFrame[0] = 0;
  var live = number === 0;
  var DEFAULT = { x: 0, s: "", c: false, v: D.view || "flame", m: D.mode || "", w: "after", l: [], f: [], h: [],
    r: [], k: null, o: diff ? "delta" : "self", p: D.colors || "package" };
  var st = parse(""), current = "", T = null, key = null, sel = 0, hits = null, charts = [], pattern = null, bad = false;

  /* ---- the state and its URL ---- */

  function copy(a) { var b = {}, q; for (q in a) b[q] = a[q] instanceof Array ? a[q].slice() : a[q]; return b; }
  function parse(text) {
    var o = copy(DEFAULT), list = text.replace(/^#/, "").split("&"), j, at, name, value;
    for (j = 0; j < list.length; j++) {
      at = list[j].indexOf("=");
      if (at < 1) continue;
      name = list[j].slice(0, at);
      try { value = decodeURIComponent(list[j].slice(at + 1)); } catch (e) { continue; }
      if (!(name in DEFAULT)) continue;
      if (name === "x") o.x = value;
      else if (name === "c") o.c = value === "1";
      else if (o[name] instanceof Array) o[name].push(value);
      else o[name] = value;
    }
    if (["flame", "icicle", "callers", "sandwich", "table"].indexOf(o.v) < 0) o.v = DEFAULT.v;
    if (["after", "before", "both"].indexOf(o.w) < 0) o.w = "after";
    if (o.m !== "share" && !(o.m === "rate" && canRate())) o.m = DEFAULT.m;
    if (["package", "value", "plain", D.colors].indexOf(o.p) < 0) o.p = DEFAULT.p;
    if (["name", "self", "total", "before", "after", "delta", "change"].indexOf(o.o.replace(/^-/, "")) < 0) o.o = DEFAULT.o;
    return o;
  }
  function canRate() { return diff && (D.mode === "rate" || D.sides[0].rate > 0 && D.sides[1].rate > 0); }
  function mark(t, node) { /* a short sum over the names of a path: another file has another one */
    var x = 2166136261, a = node, j, name;
    for (; ; a = t.parent[a]) {
      name = a === 0 ? "" : D.names[F.name[t.frame[a]]];
      for (j = 0; j < name.length && j < 300; j++) x = Math.imul(x ^ name.charCodeAt(j), 16777619);
      x = Math.imul(x ^ 10, 16777619);
      if (a === 0) break;
    }
    return (x >>> 0).toString(36);
  }
  function fragment() {
    var parts = [], name, j, v;
    for (name in DEFAULT) {
      v = st[name];
      if (name === "x") { if (st.x) parts.push("x=" + st.x + "." + mark(T, st.x)); }
      else if (v instanceof Array) for (j = 0; j < v.length; j++) parts.push(name + "=" + encodeURIComponent(v[j]));
      else if (name === "c") { if (v) parts.push("c=1"); }
      else if (v !== DEFAULT[name] && v !== null) parts.push(name + "=" + encodeURIComponent(v));
    }
    return parts.join("&");
  }
  function save(push) {
    var text = fragment();
    if (!live || text === current) return;
    current = text;
    try {
      if (push) history.pushState(null, "", "#" + text); else history.replaceState(null, "", "#" + text);
    } catch (e) {
      if (push) location.hash = text; else location.replace("#" + text);
    }
  }
  function restore() {
    var text = location.hash.replace(/^#/, ""), x, m;
    if (T && text === current) return;
    st = parse(text);
    x = String(st.x);
    st.x = 0;
    T = build();
    m = /^(\d+)\.(\w+)$/.exec(x);
    if (m && +m[1] < T.n && mark(T, +m[1]) === m[2]) st.x = +m[1];
    current = text;
    sel = st.x;
    refresh();
  }
  function change(values, push) { /* everything a reader does comes through here */
    var q, rebuilt;
    for (q in values) st[q] = values[q];
    rebuilt = treeKey() !== key;
    if (rebuilt) { if (!("x" in values)) st.x = 0; T = build(); sel = st.x; }
    if ("x" in values) sel = st.x;
    refresh();
    save(push !== false);
  }

  /* ---- trees made from the tree ---- */

  function nameOf(f) { return D.names[F.name[f]]; }
  function tester(texts) {
    var wanted = {}, memo = new Int8Array(F.name.length), j;
    for (j = 0; j < texts.length; j++) wanted["$" + texts[j]] = 1;
    return function (f) {
      if (memo[f] === 0) memo[f] = f > 0 && wanted["$" + nameOf(f)] ? 1 : 2;
      return memo[f] === 1;
    };
  }
  function blank() { return { frame: [0], parent: [0], level: [0], first: [], S: [], group: null, n: 1 }; }
  function pack(out, S, groups) {
    var t = { n: out.frame.length, frame: Int32Array.from(out.frame), parent: Int32Array.from(out.parent),
      level: Int32Array.from(out.level), first: Int32Array.from(out.first), S: [], group: groups || null }, j;
    for (j = 0; j < K; j++) t.S.push(Float64Array.from(S[j]));
    return finish(t);
  }
  function append(out, i, map, weight) { /* children of 'i': the largest first */
    var list = [];
    map.forEach(function (cursors, f) {
      var w = [0, 0], j;
      for (j = 0; j < cursors.length; j++) weight(cursors[j], w);
      list.push({ f: f, c: cursors, w: diff ? Math.max(w[0] * scales()[0], w[1] * scales()[1]) : w[0], t: w[0] + w[1] });
    });
    list.sort(function (a, b) {
      if (!byName && a.w !== b.w) return b.w - a.w;
      return nameOf(a.f) < nameOf(b.f) ? -1 : nameOf(a.f) > nameOf(b.f) ? 1 : a.f - b.f;
    });
    return list.map(function (g) {
      out.frame.push(g.f); out.parent.push(i); out.level.push(out.level[i] + 1);
      return g;
    });
  }
  function into(map, f, cursor) { var l = map.get(f); if (l) l.push(cursor); else map.set(f, [cursor]); }

  /* The trees under some nodes put together; frames that 'skip' names are passed through. */
  function grow(t, list, self, skip, recursion) {
    var out = blank(), S = [], src = [null], i, j, a, c, map, work, f;
    for (j = 0; j < K; j++) S.push([self ? self[j] : 0]);
    for (i = 0; i < out.frame.length; i++) {
      out.first.push(out.frame.length);
      map = new Map();
      work = i === 0 ? list.slice() : src[i].slice();
      for (a = 0; a < work.length; a++) {
        if (i === 0) { c = work[a]; f = t.frame[c];
          if (skip && skip(f)) { hoist(c); continue; }
          into(map, f, c); continue; }
        for (j = 0; j < K; j++) S[j][i] += t.S[j][work[a]];
        for (c = t.first[work[a]]; c < t.first[work[a] + 1]; c++) {
          f = t.frame[c];
          if (skip && skip(f) || recursion && f === out.frame[i]) work.push(c); else into(map, f, c);
        }
      }
      var grown = append(out, i, map, function (x, w) { w[0] += t.W[0][x]; if (diff) w[1] += t.W[1][x]; });
      for (a = 0; a < grown.length; a++) { src.push(grown[a].c); for (j = 0; j < K; j++) S[j].push(0); }
      src[i] = null;
    }
    out.first.push(out.frame.length);
    return pack(out, S);
    function hoist(c) { /* a root that is passed through: its value is the root's */
      var d, b;
      for (b = 0; b < K; b++) S[b][0] += t.S[b][c];
      for (d = t.first[c]; d < t.first[c + 1]; d++) work.push(d);
    }
  }
  /* Callers: from nodes with weights towards the root; what is too small to see is not followed. */
  function invert(t, nodes, W) {
    var out = blank(), S = [], src = [null], i, j, a, map, grown, whole = 0, cursors;
    for (j = 0; j < K; j++) S.push([0]);
    cursors = nodes.map(function (x) { return [x, x]; });
    for (a = 0; a < nodes.length; a++) whole += weightOf(nodes[a]);
    function weightOf(x) { return W[0][x] + (diff ? W[1][x] : 0); }
    src[0] = cursors;
    for (i = 0; i < out.frame.length; i++) {
      out.first.push(out.frame.length);
      map = new Map();
      for (a = 0; a < src[i].length; a++) {
        var at = i === 0 ? src[i][a][0] : t.parent[src[i][a][0]], from = src[i][a][1];
        if (at === 0 || out.small && out.small[i]) for (j = 0; j < K; j++) S[j][i] += W[j][from];
        else into(map, t.frame[at], [at, from]);
      }
      grown = append(out, i, map, function (x, w) { w[0] += W[0][x[1]]; if (diff) w[1] += W[1][x[1]]; });
      out.small = out.small || {};
      for (a = 0; a < grown.length; a++) {
        if (grown[a].t < whole / 20000 || out.level[i] > 3000) out.small[src.length] = true;
        src.push(grown[a].c);
        for (j = 0; j < K; j++) S[j].push(0);
      }
      src[i] = null;
    }
    out.first.push(out.frame.length);
    return pack(out, S);
  }
  function keep(t, test) { /* stacks with a function on them */
    var on = new Uint8Array(t.n), below, i, j, S = [];
    for (i = 1; i < t.n; i++) on[i] = on[t.parent[i]] || test(t.frame[i]) ? 1 : 0;
    for (j = 0; j < K; j++) {
      below = Float64Array.from(t.S[j]);
      for (i = 0; i < t.n; i++) if (!on[i]) below[i] = 0;
      S.push(below);
    }
    return finish({ n: t.n, frame: t.frame, parent: t.parent, first: t.first, level: t.level, S: S, group: t.group });
  }
  function outermost(t, test) {
    var on = new Uint8Array(t.n), list = [], i;
    for (i = 1; i < t.n; i++) {
      on[i] = on[t.parent[i]];
      if (!on[i] && test(t.frame[i])) { on[i] = 1; list.push(i); }
    }
    return list;
  }
  function dropEmpty(t) { return grow(t, kids(t, 0).filter(alive), rootSelf(t), null, false); function alive(c) { return t.W[0][c] > 0 || diff && t.W[1][c] > 0; } }
  function kids(t, i) { var l = [], c; for (c = t.first[i]; c < t.first[i + 1]; c++) l.push(c); return l; }
  function rootSelf(t) { return t.S.map(function (x) { return x[0]; }); }
  /* Frames with one child and no value of their own are one box with it. */
  function chains(t) {
    var out = blank(), S = t.S.map(function (x) { return [x[0]]; }), src = [0], groups = new Map(), i, c, j, list;
    for (i = 0; i < out.frame.length; i++) {
      out.first.push(out.frame.length);
      for (c = t.first[src[i]]; c < t.first[src[i] + 1]; c++) {
        var d = c;
        list = [t.frame[d]];
        while (t.first[d + 1] - t.first[d] === 1 && t.S[0][d] === 0 && (!diff || t.S[1][d] === 0)) { d = t.first[d]; list.push(t.frame[d]); }
        if (list.length > 1) groups.set(out.frame.length, list);
        out.frame.push(t.frame[d]); out.parent.push(i); out.level.push(out.level[i] + 1); src.push(d);
        for (j = 0; j < K; j++) S[j].push(t.S[j][d]);
      }
    }
    out.first.push(out.frame.length);
    return pack(out, S, groups);
  }
  function treeKey() {
    return JSON.stringify([st.v === "callers", st.f, st.h, st.r, st.l, diff ? st.m : ""]);
  }
  var plain = null, plainKey = null;
  function filtered() { /* after focus, hide, show from; the same for all views */
    var t = T0, j, q = JSON.stringify([st.f, st.h, st.r, st.l.indexOf("recursion"), diff ? st.m : ""]);
    if (q === plainKey) return plain;
    for (j = 0; j < st.f.length; j++) t = dropEmpty(keep(t, tester([st.f[j]])));
    if (st.h.length || st.l.indexOf("recursion") >= 0)
      t = grow(t, kids(t, 0), rootSelf(t), st.h.length ? tester(st.h) : null, st.l.indexOf("recursion") >= 0);
    if (st.r.length) t = grow(t, outermost(t, tester(st.r)), null, null, false);
    plain = t; plainKey = q;
    return t;
  }
  function build() {
    var t = filtered(), nodes = [], j;
    key = treeKey();
    if (st.v === "callers") {
      for (j = 1; j < t.n; j++) if (t.S[0][j] > 0 || diff && t.S[1][j] > 0) nodes.push(j);
      t = invert(t, nodes, t.S);
    }
    if (st.l.indexOf("chains") >= 0) t = chains(t);
    hits = null;
    return t;
  }

  /* ---- values ---- */

  function scales() {
    if (!diff) return [1, 1];
    if (st.m === "share") return [1 / (T0.W[0][0] || 1), 1 / (T0.W[1][0] || 1)];
    if (D.mode === "rate") return [D.sides[0].scale, D.sides[1].scale];
    return [D.sides[0].rate, D.sides[1].rate];
  }
  function widths(t) { /* what boxes are as wide as */
    var c = scales(), w, i, side, tag = st.w + st.m;
    if (!diff) return t.W[0];
    if (t.widths && t.tag === tag) return t.widths;
    w = new Float64Array(t.n);
    if (st.w === "both") {
      for (i = 0; i < t.n; i++) w[i] = Math.max(t.S[0][i] * c[0], t.S[1][i] * c[1]);
      for (i = t.n - 1; i > 0; i--) w[t.parent[i]] += w[i];
    } else {
      side = st.w === "before" ? 0 : 1;
      for (i = 0; i < t.n; i++) w[i] = t.W[side][i] * c[side];
    }
    t.widths = w; t.tag = tag;
    return w;
  }
  function cores() { return D.seconds > 0 && PER[D.unit]; }
  function value(v) {
    var text = quantity(v, D.unit);
    return cores() ? digits(v * PER[D.unit] / 1e9 / D.seconds) + " cores (" + text + ")" : text;
  }
  function scaled(v, sign) { /* a value of a diff, scaled already */
    var plus = sign && v > 0 ? "+" : "", rate = D.measure === "per second" || D.mode === "share";
    if (st.m === "share") return plus + (100 * v).toFixed(2) + (sign ? " points" : "%");
    if (rate && PER[D.unit]) return plus + digits(v * PER[D.unit] / 1e9) + "c";
    return plus + quantity(Math.abs(v) < 1 ? v : v, D.unit) + (rate ? "/s" : "");
  }
  function sidesOf(t, i) {
    var c = scales(), a = t.W[0][i] * c[0], b = t.W[1][i] * c[1], most = Math.max(a, b);
    var whole = Math.max(T0.W[0][0] * c[0], T0.W[1][0] * c[1]), d = b - a;
    var quiet = Math.abs(d) < (D.noise || 0) * whole || most === 0 || Math.abs(d) < 1e-12 * most;
    return { a: a, b: b, d: d, t: quiet ? 0 : d / most, kind: a === 0 && b > 0 ? "new" : b === 0 && a > 0 ? "gone" : "both",
      relative: a > 0 ? d / a : null };
  }
  function arrow(x) { return x.kind === "new" ? "\u2733 new" : x.kind === "gone" ? "\u2716 gone" : x.t > 0 ? "\u25b2" : x.t < 0 ? "\u25bc" : ""; }
  function growth(x) { return (x > 0 ? "+" : "") + (100 * x).toFixed(0) + "%"; }
  function changeText(x) {
    var text = scaled(x.d, true);
    if (x.t === 0 && x.kind === "both") return "unchanged" + (x.d !== 0 ? " (" + text + ", under the noise)" : "");
    return arrow(x) + " " + text + (x.kind === "both" && x.relative !== null ? " " + growth(x.relative) : "");
  }
  function title(t, i) {
    var g = t.group && t.group.get(i);
    if (i === 0) return "total";
    return g ? g.map(function (f) { return shown(nameOf(f)); }).join(" \u2192 ") : shown(nameOf(t.frame[i]));
  }
  function place(f) { return F.file[f] ? shown(D.names[F.file[f]]) + (F.line[f] ? ":" + F.line[f] : "") : ""; }
  function isOther(t, i) { return i > 0 && otherFrame[t.frame[i]] === 1; }
  function lines(t, i) { /* what is known of a box */
    var out = [], f = t.frame[i], x, up = t.parent[i], whole = T0.W[0][0], p;
    if (isOther(t, i)) out.push("cut off by the server; ask with more nodes");
    if (diff) {
      x = sidesOf(t, i);
      out.push("before " + scaled(x.a) + " \u00b7 after " + scaled(x.b) + " \u00b7 " + changeText(x));
      if (st.m !== "share") out.push("share " + percent(T0.W[0][0] ? t.W[0][i] / T0.W[0][0] : 0) + " > " + percent(T0.W[1][0] ? t.W[1][i] / T0.W[1][0] : 0));
      if (bounds(x)) out.push(bounds(x));
    } else {
      out.push("total " + value(t.W[0][i]) + " \u00b7 " + percent(whole ? t.W[0][i] / whole : 0) + " of all" +
        (i > 0 && t.W[0][up] > 0 ? " \u00b7 " + percent(t.W[0][i] / t.W[0][up]) + " of " + (st.v === "callers" ? "called" : "parent") : ""));
      out.push("self " + value(t.S[0][i]) + " \u00b7 " + percent(whole ? t.S[0][i] / whole : 0));
    }
    if (i > 0 && place(f)) out.push(place(f));
    p = D.packages[2 * F.pack[f]];
    if (i > 0 && p) out.push("package " + shown(p));
    return out;
  }
  var hidden = [0, 0];
  for (i = 1; i < T0.n; i++) if (isOther(T0, i)) for (k = 0; k < K; k++) hidden[k] += T0.S[k][i];
  function bounds(x) { /* truncation only takes away */
    var c = scales();
    if (!hidden[0] && !hidden[1]) return "";
    return scaled(x.d - hidden[0] * c[0], true) + " to " + scaled(x.d + hidden[1] * c[1], true) + " with truncated stacks";
  }

  /* ---- colours ---- */

  function mix(a, b, t) {
    var o = "#", j, v;
    for (j = 1; j < 7; j += 2) {
      v = Math.round(parseInt(a.slice(j, j + 2), 16) * (1 - t) + parseInt(b.slice(j, j + 2), 16) * t);
      o += (v < 16 ? "0" : "") + v.toString(16);
    }
    return o;
  }
  function dimmed(colour) { /* still light enough for black text */
    return mix(colour || "#c3c6cd", dark.matches ? "#a2a5aa" : "#eceef1", 0.72);
  }
  function middle() { return dark.matches ? "#9a9a9a" : "#f3f3f3"; } /* of a diff: no change */
  function fill(t, i) {
    var x, f = t.frame[i];
    if (diff) {
      x = sidesOf(t, i);
      if (isOther(t, i)) return null;
      if (x.kind === "new") return "#f0e442";
      if (x.kind === "gone") return "#7fb3e6";
      return mix(middle(), x.t > 0 ? "#f4a259" : "#7fb3e6", Math.abs(x.t));
    }
    if (isOther(t, i)) return null;
    if (i === 0) return "#c8ccd4";
    if (st.p === "plain") return "#f0c9a0";
    if (st.p === "class") return ["#a2dd9e", "#f4918d", "#fada9d", "#e293cc", "#bac4ff", "#80d7ff"][F.cls[f]];
    if (st.p === "value") return mix("#fbf0d9", "#f08c4a", t.W[0][i] ? t.S[0][i] / t.W[0][i] : 0);
    return D.packages[2 * F.pack[f] + 1];
  }

  /* ---- search ---- */

  function compile() {
    bad = false; pattern = null;
    if (st.s === "") return;
    try { pattern = new RegExp(st.s, st.c ? "" : "i"); } catch (e) { bad = true; }
  }
  var memo = null, memoKey = "";
  function frameHit(f) {
    if (memoKey !== st.s + "\n" + st.c) { memo = new Int8Array(D.names.length); memoKey = st.s + "\n" + st.c; }
    var n = F.name[f];
    if (f === 0 || otherFrame[f]) return false;
    if (memo[n] === 0) memo[n] = pattern.test(D.names[n]) ? 1 : 2;
    return memo[n] === 1;
  }
  function isHit(t, i) {
    var g = t.group && t.group.get(i);
    return pattern !== null && i > 0 && (g ? g.some(frameHit) : frameHit(t.frame[i]));
  }
  /* Totals of the topmost matching boxes under the visible root; what is outside is not counted. */
  function search(t, root) {
    var W = widths(t), sum = 0, names = {}, functions = 0, list = [], stack = [[root, false]], top, i, c, hit, g;
    while (stack.length) {
      top = stack.pop(); i = top[0];
      hit = isHit(t, i);
      if (hit) {
        if (!top[1]) sum += W[i];
        list.push(i);
        g = t.group && t.group.get(i) || [t.frame[i]];
        g.forEach(function (f) { if (frameHit(f) && !names["$" + nameOf(f)]) { names["$" + nameOf(f)] = 1; functions++; } });
      }
      for (c = t.first[i + 1] - 1; c >= t.first[i]; c--) stack.push([c, top[1] || hit]);
    }
    return { share: W[root] > 0 ? sum / W[root] : 0, functions: functions, list: list };
  }
  function matchedText() {
    if (bad) return "not a regular expression: nothing matches";
    if (!pattern) return "";
    if (st.v === "table") return rows().filter(rowHit).length + " functions";
    if (st.v === "sandwich") return "";
    hits = search(T, st.x);
    return "Matched " + (100 * hits.share).toFixed(1) + "% (" + hits.functions + " function" + (hits.functions === 1 ? "" : "s") + ", " +
      hits.list.length + " box" + (hits.list.length === 1 ? "" : "es") + ")";
  }
  function step(by) {
    var at, list;
    if (!pattern || !hits || !hits.list.length || st.v === "table" || st.v === "sandwich") return;
    list = hits.list;
    at = list.indexOf(sel);
    at = at < 0 ? (by > 0 ? 0 : list.length - 1) : (at + by + list.length) % list.length;
    if (charts[0] && charts[0].pixels(list[at]) < 4) change({ x: list[at] });
    else select(list[at]);
  }

  /* ---- a chart ---- */

  function Chart(holder, t, up, root, main) {
    var W = widths(t), rows = [], boxes = [], width, scale, hiddenShare = 0, depth = 0, node, rowOf = {}, self = this;
    var canvas = t.n > CANVAS, view, elements = {}, list;
    function xof(i) { return box(i) ? box(i).x : 0; }
    function box(i) { return rowOf[i]; }
    this.tree = t;
    this.root = root;
    this.holder = holder;
    this.canvas = canvas;
    this.boxes = boxes;
    this.pixels = function (i) { return W[i] * scale; };
    function layout() {
      var path = [], a, stack, top, i, c, x, w, forced = {}, b;
      boxes.length = 0; rows.length = 0; rowOf = {}; depth = 0; hiddenShare = 0;
      width = Math.max(200, (D.width || holder.clientWidth || 1200) - 2);
      scale = W[root] > 0 ? width / W[root] : 0;
      for (a = root; ; a = t.parent[a]) { path.unshift(a); if (a === 0) break; }
      if (main) for (a = sel; ; a = t.parent[a]) { forced[a] = true; if (a === 0) break; }
      for (a = 0; a < path.length - 1; a++) add(path[a], 0, width, true);
      stack = [[root, 0]];
      while (stack.length) {
        top = stack.pop(); i = top[0]; x = top[1];
        w = W[i] * scale;
        add(i, x, i === root ? width : w, false);
        var xs = [], sum = x;
        for (c = t.first[i]; c < t.first[i + 1]; c++) {
          w = W[c] * scale;
          if (w >= D.min && w > 0 || forced[c]) xs.push([c, sum]); else hiddenShare += W[c];
          sum += w;
        }
        while (xs.length) stack.push(xs.pop());
      }
      function add(i, bx, bw, faded) {
        b = { i: i, x: bx, w: forced[i] ? Math.max(bw, 3) : bw, level: t.level[i], faded: faded };
        boxes.push(b);
        rowOf[i] = b;
        (rows[b.level] = rows[b.level] || []).push(b);
        if (b.level + 1 > depth) depth = b.level + 1;
      }
      hiddenShare = W[root] > 0 ? hiddenShare / W[root] : 0;
    }
    this.hidden = function () { return hiddenShare; };
    function y(level) { return (up ? depth - 1 - level : level) * ROW; }
    function label(b) {
      var fits = Math.floor((b.w - 6) / 7.23), x = diff ? sidesOf(t, b.i) : null, sign = x && (x.t !== 0 || x.kind !== "both") ? arrow(x).charAt(0) + " " : "";
      var name = title(t, b.i), tail = "";
      if (fits < 3) return "";
      if (x && sign && x.kind === "both") tail = " " + growth(x.relative);
      if (fits < sign.length + tail.length + 8) tail = "";
      fits -= sign.length + tail.length;
      if (fits < 3) return sign.trim();
      if (name.length > fits) name = "~" + name.slice(name.length - fits + 1).replace(/^[\udc00-\udfff]/, "");
      return sign + name + tail;
    }
    function classes(b) {
      var c = "b", x = diff ? sidesOf(t, b.i) : null;
      if (b.faded) c += " up";
      if (pattern || bad) c += isHit(t, b.i) ? " hit" : " miss";
      if (x && x.kind !== "both") c += " " + x.kind + (b.w < 5 ? " thin" : "");
      if (main && b.i === sel) c += " sel";
      return c;
    }
    function colour(b) {
      var c = fill(t, b.i);
      return b.faded || (pattern || bad) && !isHit(t, b.i) ? dimmed(c) : c;
    }
    function spoken(b) { return title(t, b.i) + ", " + lines(t, b.i).join(", "); }
    function item(b, tag, space) {
      return make(space, tag, { role: "treeitem", "aria-level": b.level + 1, "aria-label": spoken(b), "data-i": b.i,
        id: (main ? "pyr" : "pyrs") + number + (up ? "u" : "d") + b.i, "aria-selected": main && b.i === sel ? "true" : "false",
        "aria-expanded": t.first[b.i + 1] > t.first[b.i] ? (rowOf[t.first[b.i]] ? "true" : "false") : null });
    }
    function drawSvg() {
      var svg = s("svg", { width: width, height: depth * ROW + 2, role: "none" }, [hatch()]), j, b, g, text;
      for (j = 0; j < boxes.length; j++) {
        b = boxes[j];
        g = item(b, "g", SVG);
        g.setAttribute("class", classes(b));
        g.appendChild(s("rect", { x: b.x.toFixed(2), y: y(b.level) + 1, width: Math.max(b.w - (b.w > 1 ? 0.5 : 0), 0.1).toFixed(2), height: ROW - 1, rx: 1.5,
          fill: colour(b) || "url(#pyrcut" + number + ")" }));
        text = label(b);
        if (text) g.appendChild(s("text", { x: (b.x + 3).toFixed(1), y: y(b.level) + 13.5, "aria-hidden": "true", text: text }));
        elements[b.i] = g;
        svg.appendChild(g);
      }
      holder.appendChild(svg);
    }
    function hatch() {
      return s("defs", {}, [s("pattern", { id: "pyrcut" + number, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        [s("rect", { width: 6, height: 6, fill: "#d8dadf" }), s("rect", { width: 2, height: 6, fill: "#b4b8c0" })])]);
    }
    function paint() {
      var tall = Math.min(depth * ROW + 2, holder.clientHeight || 600), ratio = window.devicePixelRatio || 1, top = holder.scrollTop, g, j, b, at, text, cls;
      node.width = width * ratio; node.height = tall * ratio;
      node.style.width = width + "px"; node.style.height = tall + "px";
      g = node.getContext("2d");
      g.scale(ratio, ratio);
      g.font = "12px ui-monospace, Menlo, Consolas, monospace";
      for (j = 0; j < boxes.length; j++) {
        b = boxes[j];
        at = y(b.level) - top;
        if (at < -ROW || at > tall) continue;
        cls = classes(b);
        g.fillStyle = colour(b) || "#c3c6cd";
        g.fillRect(b.x, at + 1, Math.max(b.w - (b.w > 1 ? 0.5 : 0), 0.1), ROW - 1);
        if (diff && b.w >= 3) {
          g.lineWidth = 0.6;
          g.strokeStyle = EDGE;
          g.strokeRect(b.x + 0.3, at + 1.3, b.w - 1.1, ROW - 1.6);
        }
        if (/ sel| hit/.test(cls)) {
          g.lineWidth = 2;
          g.strokeStyle = / sel/.test(cls) ? (dark.matches ? "#fff" : "#000") : (dark.matches ? "#ff6bea" : "#b4009e");
          g.strokeRect(b.x + 1, at + 2, Math.max(b.w - 2, 1), ROW - 3);
        }
        text = label(b);
        if (text) { g.fillStyle = "#000"; g.fillText(text, b.x + 3, at + 13.5, Math.max(b.w - 5, 1)); }
      }
    }
    function speak() { /* what a screen reader finds in place of the canvas: the way to the selected box, and its children */
      var path = [], a, c, made = [];
      for (a = sel; ; a = t.parent[a]) { path.unshift(a); if (a === 0) break; }
      for (c = t.first[sel]; c < t.first[sel + 1] && made.length < 200; c++) made.push(c);
      empty(list);
      path.concat(made).forEach(function (i) {
        var e = item({ i: i, level: t.level[i] }, "div", XHTML);
        elements[i] = e;
        list.appendChild(e);
      });
    }
    this.draw = function () {
      layout();
      empty(holder);
      elements = {};
      if (canvas) {
        node = h("canvas", { "aria-hidden": "true" });
        view = h("div", { "class": "space" });
        view.style.height = depth * ROW + 2 + "px";
        list = h("div", { "class": "sr" });
        holder.appendChild(view); holder.appendChild(list); holder.appendChild(node);
        if (up) holder.scrollTop = depth * ROW;
        if (main) speak();
        paint();
      } else {
        drawSvg();
        if (up) holder.scrollTop = depth * ROW;
      }
      self.mark();
    };
    this.mark = function () {
      if (!main) return;
      var e = elements[sel];
      if (e) holder.setAttribute("aria-activedescendant", e.id); else holder.removeAttribute("aria-activedescendant");
    };
    this.select = function (old) {
      var b, top;
      if (!rowOf[sel] || rowOf[old] && W[old] * scale < 3 || W[sel] * scale < 3) { var keepTop = holder.scrollTop; self.draw(); holder.scrollTop = keepTop; }
      else if (canvas) { speak(); paint(); self.mark(); }
      else {
        [old, sel].forEach(function (i) {
          if (!elements[i]) return;
          elements[i].setAttribute("class", classes(rowOf[i]));
          elements[i].setAttribute("aria-selected", i === sel ? "true" : "false");
        });
        self.mark();
      }
      b = rowOf[sel];
      if (!b) return;
      top = y(b.level);
      if (top < holder.scrollTop) holder.scrollTop = top - ROW;
      else if (top + ROW > holder.scrollTop + holder.clientHeight) holder.scrollTop = top + 2 * ROW - holder.clientHeight;
    };
    this.at = function (event) { /* the box under the pointer, -1: none */
      var e = event.target, r, level, row, lo, hi, mid, x;
      if (!canvas) {
        while (e && e !== holder && !(e.getAttribute && e.getAttribute("data-i"))) e = e.parentNode;
        return e && e !== holder ? +e.getAttribute("data-i") : -1;
      }
      r = node.getBoundingClientRect();
      level = Math.floor((event.clientY - r.top + holder.scrollTop) / ROW);
      row = rows[up ? depth - 1 - level : level];
      x = event.clientX - r.left;
      for (lo = 0, hi = row ? row.length - 1 : -1; lo <= hi;) {
        mid = lo + hi >> 1;
        if (x < row[mid].x) hi = mid - 1; else if (x > row[mid].x + row[mid].w) lo = mid + 1; else return row[mid].i;
      }
      return -1;
    };
    this.center = function (i) { /* where a menu asked for by a key opens; for those who test, where to click */
      var r = (canvas ? node : holder.firstChild).getBoundingClientRect(), b = rowOf[i];
      return b ? { x: r.left + b.x + b.w / 2, y: r.top + y(b.level) + ROW / 2 - (canvas ? holder.scrollTop : 0), w: b.w } : null;
    };
    if (canvas) holder.onscroll = function () { paint(); }; else holder.onscroll = null;
    this.xof = xof;
  }

  /* ---- the page ---- */

  var svgDocument = document.documentElement.namespaceURI === SVG, root, ui = {}, tip, menu = null, help = null, shownHere = -1;
  if (svgDocument) {
    root = h("div", { "class": "pyr-root pyr-page" });
    var doc = document.documentElement;
    Array.prototype.slice.call(doc.childNodes).forEach(function (e) {
      if (e.nodeName !== "style" && e.nodeName !== "script") doc.removeChild(e);
    });
    doc.removeAttribute("viewBox");
    doc.removeAttribute("role");
    doc.setAttribute("width", "100%");
    doc.setAttribute("height", "100%");
    doc.appendChild(s("foreignObject", { width: "100%", height: "100%" }, [root]));
    root.style.height = "100%"; root.style.overflow = "auto";
    document.title = shown(D.title || D.type || "Flame graph");
  } else {
    root = block.parentNode;
    empty(root);
  }
  function button(text, action, attributes) {
    var a = attributes || {}; a.type = "button"; a.text = text; a.onclick = action;
    return h("button", a);
  }
  var views = [["flame", "Flame"], ["icicle", "Icicle"], ["callers", "Callers"], ["sandwich", "Sandwich"], ["table", "Table"]];
  ui.tabs = {};
  ui.search = h("input", { type: "search", placeholder: "Search (regular expression)", "aria-label": "Search functions by regular expression", spellcheck: "false",
    oninput: function () { change({ s: ui.search.value }, false); },
    onkeydown: function (e) {
      if (e.key === "Enter") { step(e.shiftKey ? -1 : 1); e.preventDefault(); }
      if (e.key === "Escape") { change({ s: "" }, false); focusChart(); e.preventDefault(); }
      e.stopPropagation();
    } });
  ui.matched = h("span", { "class": "matched", role: "status" });
  ui.caseOn = button("Aa", function () { change({ c: !st.c }); }, { "aria-label": "Match case", title: "match case" });
  ui.reset = button("Reset zoom", function () { change({ x: 0 }); focusChart(); }, { "class": "reset" });
  ui.width = h("select", { "aria-label": "Width of boxes", onchange: function () { change({ w: ui.width.value }); } },
    [["after", "width: after"], ["before", "width: before"], ["both", "width: both (show elided)"]].map(option));
  ui.mode = h("select", { "aria-label": "Mode", onchange: function () { change({ m: ui.mode.value }); } },
    (canRate() ? [["rate", "mode: absolute"]] : []).concat([["share", "mode: share"]]).map(option));
  ui.colours = h("select", { "aria-label": "Colours", onchange: function () { change({ p: ui.colours.value }); } },
    [["package", "colour: package"], ["value", "colour: self value"], ["plain", "colour: plain"]].concat(D.colors === "class" ? [["class", "colour: class"]] : []).map(option));
  ui.recursion = button("Recursion", function () { toggle("recursion"); }, { title: "collapse direct recursion" });
  ui.chains = button("Chains", function () { toggle("chains"); }, { title: "collapse frames with a single child" });
  ui.pills = h("div", { "class": "pills" });
  ui.content = h("div", { "class": "content" });
  ui.detail = h("div", { "class": "detail", "aria-live": "polite" });
  ui.legend = h("div", { "class": "legend", "aria-label": "Legend" });
  ui.note = h("p", { "class": "note" });
  function option(o) { return h("option", { value: o[0], text: o[1] }); }
  function toggle(name) {
    var l = st.l.slice(), at = l.indexOf(name);
    if (at < 0) l.push(name); else l.splice(at, 1);
    change({ l: l.sort() });
  }
  root.appendChild(h("h1", { text: shown(D.title || D.type || "Flame graph") }));
  if (diff) root.appendChild(sideLines()); else root.appendChild(h("p", { "class": "sub", text: shown(D.subtitle || "") }));
  function sideLines() {
    var box = h("div", { "class": "sides" }), j, side;
    for (j = 0; j < 2; j++) {
      side = D.sides[j];
      box.appendChild(h("b", { text: j === 0 ? "A (before)" : "B (after)" }));
      box.appendChild(h("span", { text: shown((side.label || "") + (side.label ? "   " : "") + (side.text || quantity(T0.W[j][0], D.unit))) }));
    }
    ui.delta = h("span", { "class": "delta" });
    box.appendChild(h("b", { text: "change" }));
    box.appendChild(ui.delta);
    return box;
  }
  root.appendChild(h("div", { "class": "bar" }, [
    h("div", { "class": "group", role: "tablist", "aria-label": "Views" }, views.map(function (v) {
      return (ui.tabs[v[0]] = button(v[1], function () { open(v[0]); }, { role: "tab" }));
    })),
    ui.search, ui.caseOn, button("\u2039", function () { step(-1); }, { "aria-label": "Previous match" }), button("\u203a", function () { step(1); }, { "aria-label": "Next match" }),
    ui.reset, diff ? ui.width : null, diff ? ui.mode : ui.colours,
    h("div", { "class": "group", role: "group", "aria-label": "Collapse" }, [ui.recursion, ui.chains]),
    h("div", { "class": "group", role: "group", "aria-label": "Export" }, [
      button("SVG", exportSvg, { title: "save the visible part as SVG", "class": "svg" }), button("Folded", exportFolded, { title: "save as folded stacks", "class": "folded" })]),
    button("?", showHelp, { "aria-label": "Keys" })]));
  root.appendChild(h("div", { "class": "status" }, [ui.matched, ui.note]));
  root.appendChild(ui.pills);
  root.appendChild(ui.content);
  root.appendChild(ui.detail);
  root.appendChild(ui.legend);
  tip = h("div", { "class": "tip", hidden: "hidden" });
  tip.style.display = "none";
  root.appendChild(tip);

  function open(v) {
    if (v === "sandwich" && st.k === null) change({ v: v, k: sel > 0 && st.v !== "table" ? nameOf(T.frame[sel]) : largest() });
    else change({ v: v });
    focusChart();
  }
  function largest() { var list = rows().slice().sort(function (a, b) { return b.self[K - 1] - a.self[K - 1]; }); return list.length ? list[0].name : null; }
  function focusChart() { var c = ui.content.querySelector("[tabindex]"); if (c) c.focus({ preventScroll: true }); }
  function holder(text) { return h("div", { "class": diff ? "chart compared" : "chart", role: "tree", tabindex: "0", "aria-label": text }); }
  function watch(box, chart, pick) {
    box.addEventListener("click", function (e) { var i = chart().at(e); closeMenu(); if (i >= 0) pick(i); box.focus({ preventScroll: true }); });
    box.addEventListener("mousemove", function (e) { hover(chart(), chart().at(e), e); });
    box.addEventListener("mouseleave", function () { tip.style.display = "none"; shownHere = -1; detail(); });
    box.addEventListener("contextmenu", function (e) { var i = chart().at(e); if (i >= 0) { e.preventDefault(); openMenu(chart(), i, e.clientX, e.clientY); } });
  }
  function fillText(box, t, i) {
    empty(box);
    var name = title(t, i), list = lines(t, i), j;
    box.appendChild(h("b", { text: name.length > 2000 && box === tip ? name.slice(0, 2000) + "\u2026" : name }));
    for (j = 0; j < list.length; j++) box.appendChild(h(box === tip ? "div" : "span", { text: (box === tip ? "" : "   ") + list[j] }));
  }
  function hover(chart, i, e) {
    if (i < 0) { tip.style.display = "none"; shownHere = -1; return; }
    if (i !== shownHere || tip.owner !== chart) { fillText(tip, chart.tree, i); shownHere = i; tip.owner = chart; fillText(ui.detail, chart.tree, i); }
    tip.style.display = "block";
    tip.style.left = Math.max(4, Math.min(e.clientX + 14, window.innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = (e.clientY + 18 + tip.offsetHeight > window.innerHeight ? Math.max(4, e.clientY - tip.offsetHeight - 10) : e.clientY + 18) + "px";
  }
  function detail() {
    if (st.v === "table" || st.v === "sandwich") { empty(ui.detail); return; }
    fillText(ui.detail, T, sel);
  }
  function select(i) {
    var old = sel;
    sel = i;
    if (charts[0]) charts[0].select(old);
    detail();
  }

  /* ---- views ---- */

  function refresh() {
    var v, c = scales(), a, b;
    compile();
    for (v in ui.tabs) { ui.tabs[v].setAttribute("aria-selected", v === st.v ? "true" : "false"); }
    if (ui.search.value !== st.s) ui.search.value = st.s;
    ui.search.setAttribute("class", bad ? "bad" : "");
    ui.search.setAttribute("aria-invalid", bad ? "true" : "false");
    ui.caseOn.setAttribute("aria-pressed", st.c ? "true" : "false");
    ui.recursion.setAttribute("aria-pressed", st.l.indexOf("recursion") >= 0 ? "true" : "false");
    ui.chains.setAttribute("aria-pressed", st.l.indexOf("chains") >= 0 ? "true" : "false");
    ui.width.value = st.w; ui.mode.value = st.m; ui.colours.value = st.p;
    if (diff) {
      a = T0.W[0][0] * c[0]; b = T0.W[1][0] * c[1];
      ui.delta.textContent = st.m === "share" ? "shares of each side's total are compared" :
        scaled(b - a, true) + "  " + (b >= a ? "+" : "") + (100 * (b - a) / a).toFixed(1) + "%  (" + ({ "per second": "absolute rate", "per profile": "absolute, per profile" }[D.measure] || "absolute") + ")";
    }
    empty(ui.content);
    charts = [];
    tip.style.display = "none";
    closeMenu();
    if (st.v === "table") drawTable(); else if (st.v === "sandwich") drawSandwich(); else drawChart();
    ui.matched.textContent = matchedText();
    ui.reset.disabled = st.x === 0;
    ui.reset.style.display = st.v === "flame" || st.v === "icicle" || st.v === "callers" ? "" : "none";
    drawPills(); drawLegend(); detail();
  }
  function drawChart() {
    var up = st.v === "flame", box = holder(st.v === "callers" ? "Callers" : "Flame graph"), chart;
    ui.content.appendChild(box);
    chart = new Chart(box, T, up, st.x, true);
    charts.push(chart);
    chart.draw();
    watch(box, function () { return charts[0]; }, function (i) { change({ x: i }); focusChart(); });
    ui.note.textContent = (diff ? shownNote() : "") + "boxes under " + D.min + " px hidden: " + (100 * chart.hidden()).toFixed(1) + "%" + (st.x ? " of the visible part" : "");
  }
  function shownNote() {
    var text = "";
    if (hidden[0] || hidden[1]) text = "truncated stacks: A " + percent(hidden[0] / (T0.W[0][0] || 1)) + ", B " + percent(hidden[1] / (T0.W[1][0] || 1)) + " \u00b7 ";
    return text;
  }
  function drawSandwich() {
    var t = filtered(), test = tester([st.k]), nodes = outermost(t, test), top, low, a, b;
    ui.note.textContent = shown(String(st.k)) + (nodes.length ? "" : ": not in this profile");
    if (!nodes.length) { ui.content.appendChild(h("p", { "class": "cap", text: "Choose a function in the table or in a picture." })); return; }
    top = invert(t, nodes, t.W);
    low = grow(t, nodes, null, null, false);
    a = holder("Callers of " + shown(st.k)); b = holder("Callees of " + shown(st.k));
    a.style.maxHeight = "38vh"; b.style.maxHeight = "38vh";
    ui.content.appendChild(h("p", { "class": "cap", text: "callers, " + (diff ? scaled(sidesOf(top, 0).b) : value(top.W[0][0])) }));
    ui.content.appendChild(a);
    ui.content.appendChild(h("p", { "class": "cap", text: "callees" }));
    ui.content.appendChild(b);
    [[a, top, true], [b, low, false]].forEach(function (p, j) {
      var chart = new Chart(p[0], p[1], p[2], 0, false);
      charts.push(chart);
      chart.draw();
      watch(p[0], function () { return charts[j]; }, function (i) { if (i > 0) change({ k: nameOf(p[1].frame[i]) }); });
    });
  }
  function rows() { /* by function; a total counts once a stack */
    var t = filtered(), by, list, openCount, stack, i, j, n, r, c;
    if (t.rows) return t.rows;
    by = {}; list = []; openCount = {}; stack = [0];
    while (stack.length) {
      i = stack.pop();
      if (i < 0) { openCount[~i]--; continue; }
      if (i > 0 && !isOther(t, i)) {
        n = F.name[t.frame[i]];
        r = by[n];
        if (!r) { r = by[n] = { name: D.names[n], frame: t.frame[i], self: [0, 0], total: [0, 0] }; list.push(r); }
        for (j = 0; j < K; j++) { r.self[j] += t.S[j][i]; if (!openCount[n]) r.total[j] += t.W[j][i]; }
        openCount[n] = (openCount[n] || 0) + 1;
        stack.push(~n);
      }
      for (c = t.first[i]; c < t.first[i + 1]; c++) stack.push(c);
    }
    t.rows = list;
    return list;
  }
  function rowHit(r) { return bad ? false : !pattern || pattern.test(r.name); }
  function columns() {
    var c = scales(), t0 = filtered();
    function share(v, j) { return percent(T0.W[j][0] ? v / T0.W[j][0] : 0); }
    if (!diff) return [
      ["name", "Function", function (r) { return r.name; }],
      ["self", "Self", function (r) { return r.self[0]; }, function (r) { return quantity(r.self[0], D.unit); }, t0.S],
      ["", "Self %", null, function (r) { return share(r.self[0], 0); }],
      ["total", "Total", function (r) { return r.total[0]; }, function (r) { return quantity(r.total[0], D.unit); }],
      ["", "Total %", null, function (r) { return share(r.total[0], 0); }]];
    function self(r, j) { return r.self[j] * c[j]; }
    return [
      ["name", "Function", function (r) { return r.name; }],
      ["before", "Self before", function (r) { return self(r, 0); }, function (r) { return r.self[0] ? scaled(self(r, 0)) : "-"; }],
      ["after", "Self after", function (r) { return self(r, 1); }, function (r) { return r.self[1] ? scaled(self(r, 1)) : "-"; }],
      ["delta", "Delta", function (r) { return Math.abs(self(r, 1) - self(r, 0)); }, function (r) { return scaled(self(r, 1) - self(r, 0), true); }],
      ["change", "Change", function (r) { return r.self[0] ? self(r, 1) / self(r, 0) - 1 : Infinity; }, function (r) {
        if (!r.total[0]) return "new";
        if (!r.total[1]) return "gone";
        return r.self[0] ? growth(self(r, 1) / self(r, 0) - 1) : "-";
      }],
      ["total", "Total delta", function (r) { return Math.abs(r.total[1] * c[1] - r.total[0] * c[0]); }, function (r) { return scaled(r.total[1] * c[1] - r.total[0] * c[0], true); }]];
  }
  function drawTable() {
    var list = rows().filter(rowHit), cols = columns(), by = st.o.replace(/^-/, ""), reverse = st.o.charAt(0) === "-", get = null, body = h("tbody"), limit = TABLE, t = filtered(), c = scales();
    cols.forEach(function (col) { if (col[0] === by) get = col[2]; });
    if (!get) get = cols[1][2];
    list.sort(function (a, b) {
      var x = get(a), y = get(b);
      if (typeof x === "string") return (x < y ? -1 : x > y ? 1 : 0) * (reverse ? -1 : 1);
      if (x !== y) return (y > x ? 1 : -1) * (reverse ? -1 : 1);
      return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
    });
    function more(from, to) {
      list.slice(from, to).forEach(function (r) {
        var chip = h("i"), x;
        chip.style.background = diff ? rowColour(r) : D.packages[2 * F.pack[r.frame] + 1];
        body.appendChild(h("tr", {}, cols.map(function (col) {
          if (col[0] === "name") return h("td", {}, [chip, button(shown(r.name), function () { change({ v: "sandwich", k: r.name }); }, { title: place(r.frame) || null })]);
          x = col[3](r);
          return h("td", { text: x });
        })));
      });
    }
    function rowColour(r) {
      var a = r.self[0] * c[0], b = r.self[1] * c[1], m = Math.max(a, b);
      if (!r.total[0]) return "#f0e442";
      return mix(middle(), b > a ? "#f4a259" : "#7fb3e6", m > 0 ? Math.abs(b - a) / m : 0);
    }
    more(0, limit);
    var selfs = [0, 0], foot = [], j;
    for (j = 0; j < K; j++) rows().forEach(function (r) { selfs[j] += r.self[j]; });
    function footRow(text, v) {
      if (!v[0] && !v[1]) return;
      foot.push(h("tr", {}, cols.map(function (col) {
        if (col[0] === "name") return h("td", { text: text });
        if (!diff) return h("td", { text: col[0] === "self" ? quantity(v[0], D.unit) : col[1] === "Self %" ? percent(T0.W[0][0] ? v[0] / T0.W[0][0] : 0) : "" });
        return h("td", { text: { before: scaled(v[0] * c[0]), after: scaled(v[1] * c[1]), delta: scaled(v[1] * c[1] - v[0] * c[0], true) }[col[0]] || "" });
      })));
    }
    var cut = [0, 0];
    for (j = 0; j < K; j++) cut[j] = t.W[j][0] - selfs[j] - t.S[j][0];
    footRow("truncated stacks (other)", [Math.abs(cut[0]) < 1 ? 0 : cut[0], Math.abs(cut[1]) < 1 ? 0 : cut[1]]);
    footRow("without a stack", [t.S[0][0], diff ? t.S[1][0] : 0]);
    footRow("total", [t.W[0][0], diff ? t.W[1][0] : 0]);
    var table = h("table", {}, [h("thead", {}, [h("tr", {}, cols.map(function (col) {
      if (!col[0]) return h("th", { scope: "col" }, [h("button", { type: "button", disabled: "disabled", text: col[1] })]);
      return h("th", { scope: "col", "aria-sort": col[0] === by ? (reverse !== (by === "name") ? "ascending" : "descending") : "none" },
        [button(col[1] + (col[0] === by ? (reverse !== (by === "name") ? " \u25b4" : " \u25be") : ""), function () { change({ o: st.o === col[0] ? "-" + col[0] : col[0] }); })]);
    }))]), body, h("tfoot", {}, foot)]);
    var wide = h("div", { "class": "wide", tabindex: "0", "aria-label": "Functions" }, [table]);
    ui.content.appendChild(wide);
    if (list.length > limit) {
      var rest = button("show all " + list.length + " functions", function () { more(limit, list.length); rest.parentNode.removeChild(rest); });
      ui.content.appendChild(rest);
    }
    ui.note.textContent = list.length + " of " + rows().length + " functions";
  }
  function drawPills() {
    empty(ui.pills);
    [["f", "focus"], ["h", "hide"], ["r", "show from"]].forEach(function (p) {
      st[p[0]].forEach(function (name, j) {
        var text = shown(name);
        ui.pills.appendChild(button(p[1] + ": " + (text.length > 60 ? "~" + text.slice(-59) : text) + "  \u00d7", function () {
          var l = st[p[0]].slice(), v = {};
          l.splice(j, 1); v[p[0]] = l;
          change(v);
        }, { "class": "pill", "aria-label": "undo " + p[1] + " " + text }));
      });
    });
  }
  function key1(colour, text, dash) {
    var c = h("i", dash ? { "class": "dash" } : {});
    c.style.background = colour;
    return h("span", {}, [c, document.createTextNode(text)]);
  }
  function drawLegend() {
    var counts = {}, list = [];
    empty(ui.legend);
    if (diff) {
      [key1("#f4a259", "\u25b2 more after: worse"), key1(middle(), "unchanged" + (D.noise > 0 ? ", or under the noise of " + percent(D.noise) : "")), key1("#7fb3e6", "\u25bc less after: better"),
        key1("#f0e442", "\u2733 new", true), key1("#7fb3e6", "\u2716 gone" + (st.w === "after" ? " (not shown: width both shows it)" : ""), true),
        h("span", { text: "colour: change of the total / larger side \u00b7 mode: " + (st.m === "share" ? "share of each side's total" : "absolute (" + (D.measure || "sum") + ")") })].forEach(add);
      return;
    }
    if (st.p === "value") { add(key1("#f08c4a", "self is all of the total")); add(key1("#fbf0d9", "self is none of it")); }
    else if (st.p === "class") ["own code", "garbage collection", "allocation", "lock", "syscall", "network"].forEach(function (n, j) { add(key1(["#a2dd9e", "#f4918d", "#fada9d", "#e293cc", "#bac4ff", "#80d7ff"][j], n)); });
    else if (st.p === "plain") add(key1("#f0c9a0", "functions"));
    else {
      rows().forEach(function (r) { var p = F.pack[r.frame]; counts[p] = (counts[p] || 0) + r.self[0]; });
      list = Object.keys(counts).sort(function (a, b) { return counts[b] - counts[a] || a - b; });
      list.slice(0, 8).forEach(function (p) { add(key1(D.packages[2 * p + 1], (shown(D.packages[2 * p]) || "no package").slice(-48))); });
      if (list.length > 8) add(h("span", { text: "and " + (list.length - 8) + " packages more" }));
    }
    if (D.cut) add(key1("#c3c6cd", "truncated stacks (other)"));
    function add(e) { ui.legend.appendChild(e); }
  }

  /* ---- menu, source, help, export ---- */

  function copyText(text) {
    var box;
    if (navigator.clipboard && navigator.clipboard.writeText && window.isSecureContext) { navigator.clipboard.writeText(text).catch(function () {}); return; }
    box = h("textarea"); box.value = text; root.appendChild(box); box.select();
    try { document.execCommand("copy"); } catch (e) { /* the reader still sees the name */ }
    root.removeChild(box);
  }
  function sourceOf(f) { /* where the source is: a link, or a command to copy */
    var path = F.file[f] ? D.names[F.file[f]] : "", line = F.line[f] || 1, url;
    if (!path) return null;
    if (D.link) {
      url = D.link.replace(/\{(\w+)\}/g, function (all, word) {
        if (word === "line") return line;
        if (word === "path" || word === "file") return path.replace(/^\/+/, "").split("/").map(encodeURIComponent).join("/");
        if (word === "abs") return path.split("/").map(encodeURIComponent).join("/");
        return all;
      });
      if (/^(https?|vscode):\/\//i.test(url)) return { url: url };
    }
    return { command: "nvim +" + line + " '" + path.replace(/'/g, "'\\''") + "'" };
  }
  function openSource(f) {
    var to = sourceOf(f), a;
    if (!to) return;
    if (to.command) { copyText(to.command); return; }
    a = h("a", { href: to.url, target: "_blank", rel: "noopener noreferrer" });
    root.appendChild(a); a.click(); root.removeChild(a);
  }
  function openMenu(chart, i, x, y) {
    var t = chart.tree, f = t.frame[i], name = nameOf(f), to, items = [];
    closeMenu();
    function addItem(text, action) { items.push(button(text, function () { closeMenu(); action(); focusChart(); }, { role: "menuitem" })); }
    if (i > 0 && !isOther(t, i)) {
      to = sourceOf(f);
      addItem("Copy name", function () { copyText(name); });
      addItem("Focus on stacks with it", function () { change({ f: st.f.concat([name]) }); });
      addItem("Hide this function", function () { change({ h: st.h.concat([name]) }); });
      addItem("Show from here", function () { change({ r: [name] }); });
      addItem("Sandwich", function () { change({ v: "sandwich", k: name }); });
      addItem("Search the same", function () { same(name); });
      if (to) addItem(to.url ? "Open source" : "Copy: " + (to.command.length > 44 ? to.command.slice(0, 43) + "\u2026" : to.command), function () { openSource(f); });
    } else addItem("Reset zoom", function () { change({ x: 0 }); });
    menu = h("div", { "class": "menu", role: "menu", "aria-label": shown(name), onkeydown: function (e) {
      var at = items.indexOf(document.activeElement);
      if (e.key === "ArrowDown" || e.key === "ArrowUp") { items[(at + (e.key === "ArrowDown" ? 1 : items.length - 1)) % items.length].focus(); e.preventDefault(); }
      if (e.key === "Escape") { closeMenu(); focusChart(); }
      e.stopPropagation();
    } }, items);
    root.appendChild(menu);
    tip.style.display = "none";
    menu.style.left = Math.max(4, Math.min(x, window.innerWidth - menu.offsetWidth - 6)) + "px";
    menu.style.top = Math.max(4, Math.min(y, window.innerHeight - menu.offsetHeight - 6)) + "px";
    items[0].focus({ preventScroll: true });
  }
  function closeMenu() { if (menu) { menu.parentNode.removeChild(menu); menu = null; } }
  function same(name) { change({ s: "^" + name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&") + "$", c: true }); }
  function showHelp() {
    if (help) { root.removeChild(help); help = null; focusChart(); return; }
    var keys = [["arrows, h j k l", "move: to a child, the parent, the next or previous box"], ["Enter", "zoom into the selected box"], ["-", "zoom out by one box"],
      ["Esc", "reset the zoom"], ["u", "back"], ["/", "search; Enter is the next match"], ["n N", "next, previous match"], ["*", "the same function everywhere"],
      ["s", "sandwich of the selected function"], ["m", "menu: copy, focus, hide, show from, source"], ["o", "open the source"], ["t f i c", "table, flame, icicle, callers"],
      ["e", "diff: show vanished frames too"], ["d", "diff: absolute or share"], ["?", "this list"]];
    var list = h("dl");
    keys.forEach(function (p) { list.appendChild(h("dt", { text: p[0] })); list.appendChild(h("dd", { text: p[1] })); });
    help = h("div", { "class": "help", role: "dialog", "aria-label": "Keys", tabindex: "-1", onkeydown: function (e) { if (e.key === "Escape" || e.key === "?") { showHelp(); e.stopPropagation(); e.preventDefault(); } } },
      [h("h1", { text: "Keys" }), list, button("Close", showHelp)]);
    root.appendChild(help);
    help.focus();
  }
  function download(name, type, text) {
    var url = URL.createObjectURL(new Blob([text], { type: type })), a = h("a", { href: url, download: name });
    root.appendChild(a); a.click(); root.removeChild(a);
    setTimeout(function () { URL.revokeObjectURL(url); }, 1000);
  }
  function exportSvg() {
    if (!charts.length) return;
    var chart = charts[0], t = chart.tree, out, tall = 0, up = st.v === "flame" || st.v === "sandwich";
    chart.boxes.forEach(function (b) { tall = Math.max(tall, b.level + 1); });
    var wide = chart.boxes.reduce(function (m, b) { return Math.max(m, b.x + b.w); }, 0);
    out = s("svg", { width: Math.ceil(wide), height: tall * ROW + 26, viewBox: "0 0 " + Math.ceil(wide) + " " + (tall * ROW + 26) });
    out.appendChild(s("rect", { width: "100%", height: "100%", fill: "#fff" }));
    out.appendChild(s("text", { x: 4, y: 16, "font-family": "monospace", "font-size": 13, text: shown(D.title || D.type || "Flame graph") }));
    chart.boxes.forEach(function (b) {
      var y = 24 + (up ? tall - 1 - b.level : b.level) * ROW, fits = Math.floor((b.w - 6) / 7.23), name = title(t, b.i);
      var g = s("g", {}, [s("title", { text: name + "\n" + lines(t, b.i).join("\n") }),
        s("rect", { x: b.x.toFixed(2), y: y, width: Math.max(b.w - 0.5, 0.1).toFixed(2), height: ROW - 1, fill: fill(t, b.i) || "#c3c6cd" })]);
      if (fits >= 3) g.appendChild(s("text", { x: (b.x + 3).toFixed(1), y: y + 13, "font-family": "monospace", "font-size": 12, text: name.length > fits ? "~" + name.slice(name.length - fits + 1) : name }));
      out.appendChild(g);
    });
    download("flamegraph.svg", "image/svg+xml", new XMLSerializer().serializeToString(out));
  }
  function exportFolded() {
    var t = filtered(), out = [], i, a, path;
    for (i = 1; i < t.n; i++) {
      if (!(t.S[0][i] || diff && t.S[1][i])) continue;
      for (path = [], a = i; a > 0; a = t.parent[a]) path.unshift(nameOf(t.frame[a]).replace(/;/g, ":").replace(/[\u0000-\u001f\u007f]/g, " "));
      out.push(path.join(";") + " " + t.S[0][i] + (diff ? " " + t.S[1][i] : ""));
    }
    download("profile.folded", "text/plain", out.sort().join("\n") + "\n");
  }

  /* ---- keys ---- */

  function move(direction) {
    var t = T, deeper = st.v === "flame" ? "up" : "down", i = sel, c;
    if (direction === deeper) { if (t.first[i] < t.first[i + 1]) select(t.first[i]); return; }
    if (direction === "up" || direction === "down") {
      if (i === 0) return;
      if (i === st.x) change({ x: t.parent[i] }); else select(t.parent[i]);
      return;
    }
    c = direction === "right" ? i + 1 : i - 1; /* nodes are numbered level by level */
    if (c <= 0 || c >= t.n || t.level[c] !== t.level[i]) return;
    if (commonRoot(c, st.x) !== st.x) change({ x: commonRoot(c, st.x) });
    select(c);
  }
  function commonRoot(a, b) { while (a !== b) { if (T.level[a] >= T.level[b]) a = T.parent[a]; else b = T.parent[b]; } return a; }
  (live ? document : root).addEventListener("keydown", function (e) {
    var k = e.key, f, at, tag = e.target.localName, chart = st.v === "flame" || st.v === "icicle" || st.v === "callers";
    if (live && document.querySelectorAll(".pyr-root").length > 1 && !root.contains(e.target)) return; /* another picture's, or the page's */
    if (e.ctrlKey || e.metaKey || e.altKey || tag === "input" || tag === "select" || tag === "textarea") return;
    var moves = { ArrowUp: "up", k: "up", ArrowDown: "down", j: "down", ArrowLeft: "left", h: "left", ArrowRight: "right", l: "right" };
    if (k === "Enter" && tag === "button") return;
    if (moves[k]) { if (!chart) return; move(moves[k]); }
    else if (k === "Enter" && chart) change({ x: sel });
    else if (k === "-") change({ x: T.parent[st.x] });
    else if (k === "Escape") { if (help) showHelp(); else if (chart) change({ x: 0 }); else change({ v: DEFAULT.v }); }
    else if (k === "u") { if (!live) return; history.back(); }
    else if (k === "/") ui.search.focus();
    else if (k === "n") step(1);
    else if (k === "N") step(-1);
    else if (k === "?") showHelp();
    else if (k === "t") open("table");
    else if (k === "f") open("flame");
    else if (k === "i") open("icicle");
    else if (k === "c") open("callers");
    else if (k === "s") open("sandwich");
    else if (k === "e" && diff) change({ w: st.w === "both" ? "after" : "both" });
    else if (k === "d" && diff && canRate()) change({ m: st.m === "share" ? "rate" : "share" });
    else if (chart && sel > 0 && k === "*") same(nameOf(T.frame[sel]));
    else if (chart && sel > 0 && k === "o") { f = T.frame[sel]; openSource(f); }
    else if (chart && charts[0] && (k === "m" || k === "ContextMenu")) { at = charts[0].center(sel) || { x: 40, y: 120 }; openMenu(charts[0], sel, at.x, at.y); }
    else return;
    if (["u", "/", "?", "m", "ContextMenu"].indexOf(k) < 0 && !menu) focusChart();
    e.preventDefault();
  });
  document.addEventListener("click", function (e) { if (menu && !menu.contains(e.target)) closeMenu(); });
  window.addEventListener("popstate", function () { if (live) restore(); });
  window.addEventListener("hashchange", function () { if (live) restore(); });
  var timer = null;
  window.addEventListener("resize", function () { clearTimeout(timer); timer = setTimeout(refresh, 60); });
  document.addEventListener("toggle", function (e) { if (e.target.open && e.target.contains(root)) refresh(); }, true);
  if (dark.addEventListener) dark.addEventListener("change", refresh);
  if (live) restore(); else { T = build(); refresh(); }
  root.pyroscope = { state: function () { return st; }, tree: function () { return T; }, chart: function (j) { return charts[j || 0]; },
    selected: function () { return sel; }, name: function (i) { return title(T, i); }, rows: rows };
}

/* A page may have several fragments, each with this script: the blocks of earlier ones are gone. */
var blocks = document.querySelectorAll(".pyr-data"), n, before = 0;
for (n = document.querySelectorAll(".pyr-root"), before = 0; before < n.length && n[before].pyroscope;) before++;
for (n = 0; n < blocks.length; n++) start(blocks[n], before + n);
})();
