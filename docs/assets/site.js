// Tables that are wider than the page scroll; give those boxes to the keyboard too.
addEventListener("load", () => {
  const named = document.documentElement.lang === "zh" ? "表格" : "Table";
  setTimeout(() => {
    document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset table.dataframe").forEach((box, i) => {
      if (box.scrollWidth <= box.clientWidth) return;
      box.tabIndex = 0;
      if (box.tagName === "TABLE") return;  // a frame of a notebook scrolls by itself, and stays a table
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", `${named} ${i + 1}`);
    });
  }, 0);
});

// Browsers break lines after hyphens, also in options such as --batch-size: these are marked for the style sheet. Names in
// tables get places to break at instead, before capitals and after underscores and signs, so that narrow columns do not cut words.
const OPTION = /((?:^|(?<=\s))--?[\w-]+)/;
const PIECES = /(?<=[_(=,./])(?=\w)|(?<=[a-z])(?=[A-Z])/;
addEventListener("load", () => {
  document.querySelectorAll(".md-typeset :not(pre) > code").forEach((code) => {
    if (code.children.length) return;
    const inTable = code.closest("table") !== null;
    code.replaceChildren(
      ...code.textContent.split(OPTION).flatMap((part, i) => {
        if (i % 2 === 0) return inTable ? part.split(PIECES).flatMap((piece, k) => (k ? [document.createElement("wbr"), piece] : [piece])) : part;
        const option = document.createElement("span");
        option.className = "option";
        option.textContent = part;
        return option;
      }),
    );
  });
});
