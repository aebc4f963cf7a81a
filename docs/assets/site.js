// Tables that are wider than the page scroll; give those boxes to the keyboard too.
addEventListener("load", () => {
  const named = document.documentElement.lang === "zh" ? "表格" : "Table";
  setTimeout(() => {
    document.querySelectorAll(".md-typeset__scrollwrap").forEach((box, i) => {
      if (box.scrollWidth <= box.clientWidth) return;
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", `${named} ${i + 1}`);
    });
  }, 0);
});
