(function () {
  "use strict";
  var root = document.documentElement, theme = document.getElementById("theme");
  function dark() { return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches; }
  try { if (localStorage.theme) root.dataset.theme = localStorage.theme; } catch (e) { /* a file may have no storage */ }
  theme.onclick = function () {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.theme = root.dataset.theme; } catch (e) { /* nor keep it */ }
  };

  var field = document.getElementById("search"), found = document.getElementById("found"), contents = document.getElementById("contents");
  var sections = Array.prototype.map.call(document.querySelectorAll("main section"), function (s) {
    var page = s.id.split("-")[0];
    return { id: s.id, page: page, title: s.querySelector("h1, h2, h3").textContent.replace(/ #$/, ""), text: s.textContent.replace(/\s+/g, " ") };
  });
  function show(hit, word) {
    var item = document.createElement("li"), link = document.createElement("a"), small = document.createElement("small");
    var at = hit.text.toLowerCase().indexOf(word);
    link.href = "#" + hit.id;
    link.textContent = hit.title;
    small.textContent = hit.page + ": \u2026" + hit.text.slice(Math.max(0, at - 40), at + 80) + "\u2026";
    item.append(link, small);
    found.append(item);
  }
  field.oninput = function () {
    var word = field.value.trim().toLowerCase();
    found.textContent = "";
    found.hidden = !word;
    contents.hidden = !!word;
    if (!word) return;
    var hits = sections.filter(function (s) { return s.text.toLowerCase().includes(word); });
    hits.sort(function (a, b) { return b.title.toLowerCase().includes(word) - a.title.toLowerCase().includes(word); });
    hits.slice(0, 60).forEach(function (hit) { show(hit, word); });
    if (!hits.length) found.innerHTML = "<li>Nothing is found.</li>";
  };
  document.addEventListener("keydown", function (e) {
    if (e.key === "/" && document.activeElement !== field) { e.preventDefault(); field.focus(); }
  });
})();
