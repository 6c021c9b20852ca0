/* ECharts (1 MB), fetched when the first chart needs it, and the colours of the page for what is drawn on it. */

const LIBRARY = new URL("../vendor/echarts.min.js", import.meta.url).href;
let library;

export function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.onload = () => resolve(window.echarts);
    script.onerror = reject;
    document.head.append(script);
  });
  return library;
}

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    accent: of("--accent"), ink: of("--ink"), muted: of("--muted"), line: of("--line"), strong: of("--line-strong"), surface: of("--surface"), font: of("--font").replaceAll('"', "'"),
    hues: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => of(`--hue-${number}`)),
  };
}
