/* Reading codes at the till: by camera, or from a USB scanner, which types like a very fast keyboard.

   const camera = await startCamera(videoElement, onCode);  camera.stop();
   listenToScanner(onCode);

   Both call onCode(text). The reader (a small script and 400 KB of wasm, all from our own files) is fetched when a camera starts. */

const VENDOR = new URL("../vendor/", import.meta.url).href;
const FORMATS = ["qr_code", "code_128", "data_matrix", "aztec"];
const SAME_AGAIN = 2500; // ms in which the same code in front of the camera counts once
let library;

function loadReader() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${VENDOR}barcode-detector.js`;
    script.onload = () => {
      const kit = window.BarcodeDetectionAPI;
      kit.prepareZXingModule({ overrides: { locateFile: (path) => (path.endsWith(".wasm") ? `${VENDOR}zxing_reader.wasm` : path) } });
      resolve(kit.BarcodeDetector);
    };
    script.onerror = reject;
    document.head.append(script);
  });
  return library;
}

/** Show the rear camera in `video` and call `onCode` for each code seen. Throws where there is no camera or no leave to use it. */
export async function startCamera(video, onCode) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: { ideal: "environment" }, width: { ideal: 1280 } }, audio: false });
  video.srcObject = stream;
  video.muted = true;
  video.playsInline = true;
  await video.play();
  const Detector = await loadReader();
  const detector = new Detector({ formats: FORMATS });
  let running = true;
  let last = { text: "", at: 0 };

  (async () => {
    while (running) {
      if (!document.hidden && video.readyState >= 2) {
        const [found] = await detector.detect(video).catch(() => []);
        const now = Date.now();
        if (found && (found.rawValue !== last.text || now - last.at > SAME_AGAIN)) onCode(found.rawValue);
        if (found) last = { text: found.rawValue, at: now };
      }
      await new Promise((resume) => setTimeout(resume, 120));
    }
  })();

  return {
    stop() {
      running = false;
      for (const track of stream.getTracks()) track.stop();
      video.srcObject = null;
    },
  };
}

/** Call `onCode` for what a USB scanner types: many keys within moments, ended by Enter, while no field has the focus. */
export function listenToScanner(onCode, { gap = 60, shortest = 6 } = {}) {
  let typed = "";
  let lastAt = 0;
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const now = performance.now();
    if (now - lastAt > gap) typed = "";
    lastAt = now;
    if (event.key === "Enter") {
      if (typed.length >= shortest) {
        event.preventDefault();
        onCode(typed);
      }
      typed = "";
    } else if (event.key.length === 1) {
      typed += event.key;
    }
  });
}
