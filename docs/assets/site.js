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

// Browsers break lines after hyphens, also in options such as --batch-size: mark these for the style sheet.
addEventListener("load", () => {
  document.querySelectorAll(".md-typeset :not(pre) > code").forEach((code) => {
    if (code.children.length || !/(^|\s)--?\w/.test(code.textContent)) return;
    const parts = code.textContent.split(/((?:^|(?<=\s))--?[\w-]+)/);
    code.replaceChildren(
      ...parts.map((part, i) => {
        if (i % 2 === 0) return part;
        const option = document.createElement("span");
        option.className = "option";
        option.textContent = part;
        return option;
      }),
    );
  });
});
