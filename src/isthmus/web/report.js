// The page of a report: its theme, and buttons that copy code.
"use strict";
globalThis.isthmus ??= {};
(() => {
  const root = document.documentElement, button = document.getElementById("theme");
  const prefersDark = globalThis.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const showTheme = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    globalThis.dispatchEvent(new Event("isthmus-theme"));
  };
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; showTheme(); });
  prefersDark.addEventListener("change", showTheme);
  showTheme();

  for (const copy of document.querySelectorAll("button.copy")) {
    const name = copy.textContent;
    copy.addEventListener("click", async () => {
      const text = copy.parentElement.querySelector("code");
      getSelection().selectAllChildren(text);
      try {
        await navigator.clipboard.writeText(text.textContent);
      } catch {
        document.execCommand("copy"); // a file that is opened without a server has no clipboard in some browsers
      }
      copy.textContent = copy.dataset.done;
      setTimeout(() => { copy.textContent = name; }, 1500);
    });
  }
})();
