import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Assets have names of their content, so they are kept for ever; nothing is inlined, so that the
// page's policy needs no exception.
export default defineConfig({
  base: "/ui/",
  plugins: [react()],
  build: { manifest: "manifest.json", assetsInlineLimit: 0, sourcemap: false, target: "es2022" },
  server: {
    fs: { allow: ["../.."] }, // a test reads the log's format from engine/README.md
    proxy: Object.fromEntries(
      ["/v1", "/console/v1", "/console/session", "/demo/api", "/demo/v1", "/return"].map((path) => [
        path,
        "http://127.0.0.1:8000",
      ]),
    ),
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"], restoreMocks: true },
});
